// SPDX-License-Identifier: Apache-2.0
//
// XSKMAP: AF_XDP sockets of this process by index (net/xdp/xskmap.c), for bpf_redirect_map. User space puts a socket in
// by its descriptor and cannot read it back; a program sees its struct bpf_xdp_sock.
//
// A slot is one word: the queue that the socket was bound to when it was put in (struct bpf_xdp_sock, which a program's
// lookup points to), and the descriptor + 1. It keeps no reference. In Linux, closing a socket empties its slots; here
// the next update of such a slot finds it empty, and whoever sends to the socket before finds it closed.
//
// Tested by: tests/unit/maps_slots_test.cc, also against the kernel.
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>

#include <cerrno>

#include "maps/attributes.h"
#include "maps/slot_map.h"

namespace forager::maps {
namespace {

// 0, or what sockfd_lookup and xsk_map_update_elem say of a descriptor: -EBADF, -ENOTSOCK, -EOPNOTSUPP.
int check_socket(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return -errno;
  return domain == AF_XDP ? 0 : -EOPNOTSUPP;
}

std::uint32_t queue_of(int fd) {
  sockaddr_xdp address{};
  socklen_t size = sizeof address;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.sxdp_queue_id : 0;
}

Word word_of_socket(int fd) { return (Word{static_cast<std::uint32_t>(fd)} + 1) << 32 | queue_of(fd); }
int socket_of(Word word) { return static_cast<int>((word >> 32) - 1); }

class XskMap final : public SlotMap {
 public:
  explicit XskMap(exec::MapSpec spec) : SlotMap(std::move(spec)) {}

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    const std::uint32_t index = index_of(key);
    const auto fd = static_cast<int>(index_of(value));
    if (flags > BPF_EXIST) return -EINVAL;
    if (index >= spec().max_entries) return -E2BIG;
    if (const int error = check_socket(fd); error != 0) return error;
    return put(index, fd, flags);
  }
  int read(const void*, void*, std::uint64_t flags) override { return flags != 0 ? -EINVAL : -EOPNOTSUPP; }

 private:
  int put(std::uint32_t index, int fd, std::uint64_t flags) {
    for (;;) {
      const Word old = slots().get(index);
      const bool present = old != 0 && check_socket(socket_of(old)) == 0;
      if (present && socket_of(old) != fd && flags == BPF_NOEXIST) return -EEXIST;
      if (!present && flags == BPF_EXIST) return -ENOENT;
      if (slots().replace(index, old, word_of_socket(fd))) return 0;
    }
  }
};

}  // namespace

MapResult make_xskmap(exec::MapSpec spec, unsigned) {
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 4)
                           .equal("value_size", spec.value_size, 4)
                           .allocates(std::uint64_t{spec.max_entries} * kWordBytes)
                           .done();
  return open_map<XskMap>(checked, std::move(spec));
}

}  // namespace forager::maps
