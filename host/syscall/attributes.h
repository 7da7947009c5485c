// SPDX-License-Identifier: Apache-2.0
//
// The parts of union bpf_attr and struct bpf_link_info that <linux/bpf.h> 6.1 does not have, in the kernel's layout
// (include/uapi/linux/bpf.h of Linux 6.18). A caller that was compiled with an older header leaves them zero.
//
// Tested by: tests/unit/syscall_attach_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace forager::syscall {

// Flags that 6.1's header has not.
inline constexpr std::uint32_t kFlagId = 1U << 5;     // BPF_F_ID
inline constexpr std::uint32_t kFlagLink = 1U << 13;  // BPF_F_LINK

// Who comes before or after whom: a descriptor, or an id with BPF_F_ID; of a link with BPF_F_LINK.
struct MprogAttributes {
  std::uint32_t relative;
  std::uint32_t : 32;
  std::uint64_t expected_revision;
};

struct KprobeMultiAttributes {
  std::uint32_t flags, count;
  std::uint64_t symbols, addresses, cookies;
};

struct NetfilterAttributes {
  std::uint32_t family, hook;
  std::int32_t priority;
  std::uint32_t flags;
};

struct UprobeMultiAttributes {
  std::uint64_t path, offsets, semaphores, cookies;
  std::uint32_t count, flags, pid;
};

// union bpf_iter_link_info, and its size.
struct IterAttributes {
  std::uint64_t info;
  std::uint32_t info_len;
};

// BPF_LINK_CREATE
struct LinkAttributes {
  std::uint32_t prog_fd;
  std::uint32_t target;  // a descriptor or an interface
  std::uint32_t attach_type;
  std::uint32_t flags;
  union {
    std::uint64_t perf_cookie;
    KprobeMultiAttributes kprobe_multi;
    NetfilterAttributes netfilter;
    MprogAttributes mprog;  // tcx, netkit, cgroup
    UprobeMultiAttributes uprobe_multi;
    IterAttributes iter;
  };
};
inline constexpr std::size_t kLinkCreateEnd = offsetof(LinkAttributes, uprobe_multi.pid) + sizeof(std::uint32_t);

// BPF_PROG_ATTACH, BPF_PROG_DETACH
struct AttachAttributes {
  std::uint32_t target;
  std::uint32_t prog_fd;
  std::uint32_t attach_type;
  std::uint32_t flags;
  std::uint32_t replace_fd;
  std::uint32_t relative;
  std::uint64_t expected_revision;
};

// BPF_PROG_QUERY
struct QueryAttributes {
  std::uint32_t target;
  std::uint32_t attach_type;
  std::uint32_t query_flags;
  std::uint32_t attach_flags;
  std::uint64_t prog_ids;
  std::uint32_t count;
  std::uint32_t : 32;
  std::uint64_t prog_attach_flags, link_ids, link_attach_flags;
  std::uint64_t revision;
};

// BPF_RAW_TRACEPOINT_OPEN
struct RawTracepointAttributes {
  std::uint64_t name;
  std::uint32_t prog_fd;
  std::uint32_t : 32;
  std::uint64_t cookie;
};

// BPF_OBJ_PIN, BPF_OBJ_GET
struct PathAttributes {
  std::uint64_t path;
  std::uint32_t fd;
  std::uint32_t flags;
  std::int32_t directory;  // with BPF_F_PATH_FD
};
inline constexpr std::size_t kPathEnd = offsetof(PathAttributes, directory) + sizeof(std::int32_t);
inline constexpr std::uint32_t kFlagPathFd = 1U << 14;  // BPF_F_PATH_FD

// struct bpf_link_info
struct LinkInfo {
  std::uint32_t type, id, prog_id;
  std::uint32_t : 32;
  union {
    struct {
      std::uint64_t name;
      std::uint32_t name_len;
      std::uint32_t : 32;
      std::uint64_t cookie;
    } raw_tracepoint;
    struct {
      std::uint64_t cgroup_id;
      std::uint32_t attach_type;
    } cgroup;
    struct {
      std::uint64_t name;
      std::uint32_t name_len, map_id;
    } iter;
    struct {
      std::uint32_t netns_ino, attach_type;
    } netns;
    struct {
      std::uint32_t ifindex;
    } xdp;
    struct {
      std::uint32_t family, hook;
      std::int32_t priority;
      std::uint32_t flags;
    } netfilter;
    struct {
      std::uint64_t addresses;
      std::uint32_t count, flags;
      std::uint64_t missed, cookies;
    } kprobe_multi;
    struct {
      std::uint64_t path, offsets, semaphores, cookies;
      std::uint32_t path_size, count, flags, pid;
    } uprobe_multi;
    struct {
      std::uint32_t kind;  // enum bpf_perf_event_type
      std::uint32_t : 32;
      union {
        struct {
          std::uint64_t file;
          std::uint32_t file_len, offset;
          std::uint64_t cookie, semaphore;
        } uprobe;
        struct {
          std::uint64_t function;
          std::uint32_t function_len, offset;
          std::uint64_t address, missed, cookie;
        } kprobe;
        struct {
          std::uint64_t name;
          std::uint32_t name_len;
          std::uint32_t : 32;
          std::uint64_t cookie;
        } tracepoint;
        struct {
          std::uint64_t config;
          std::uint32_t type;
          std::uint32_t : 32;
          std::uint64_t cookie;
        } event;
      };
    } perf_event;
    struct {
      std::uint32_t ifindex, attach_type;
    } port;  // tcx, netkit
    struct {
      std::uint32_t map_id, attach_type;
    } sockmap;
  };
};
static_assert(sizeof(LinkInfo) == 64);

// A command's part of the attributes.
template <class T>
[[nodiscard]] T part_of(const bpf_attr& attr) {
  static_assert(sizeof(T) <= sizeof attr);
  T part;
  std::memcpy(&part, &attr, sizeof part);
  return part;
}

}  // namespace forager::syscall
