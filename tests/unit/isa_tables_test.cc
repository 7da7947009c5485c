// SPDX-License-Identifier: Apache-2.0
//
// Program types, attach types, contexts, helpers and map types against Linux's uapi header and libbpf's names, and
// against each other. (isa_kernel_test.cc asks the running kernel; this file needs none.)
#include "isa/tables.h"

#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>

// ---- numbers of the uapi header, at compile time -----------------------------------------------------------------

// Every member that a context table names stands where the header puts it, with its size.
#define FORAGER_FIELD_AT(name, offset, size, element, kind, width, readers, writers, at, at2) \
  FORAGER_FIELD(name, offset, size, element, kind, width, readers, writers)
#define FORAGER_PART(...)
#define FORAGER_FIELD(name, offset, size, element, ...)                                         \
  static_assert(offsetof(Context, name) == (offset) && sizeof(Context::name) == (size), #name); \
  static_assert((size) % (element) == 0, #name);

namespace xdp_md_fields {
using Context = xdp_md;
#include "isa/ctx/xdp_md.def"
}  // namespace xdp_md_fields
namespace sock_fields {
using Context = bpf_sock;
#include "isa/ctx/sock.def"
}  // namespace sock_fields
namespace sk_msg_fields {
using Context = sk_msg_md;
#include "isa/ctx/sk_msg_md.def"
}  // namespace sk_msg_fields
namespace sock_addr_fields {
using Context = bpf_sock_addr;
#include "isa/ctx/sock_addr.def"
}  // namespace sock_addr_fields
namespace sk_reuseport_fields {
using Context = sk_reuseport_md;
#include "isa/ctx/sk_reuseport_md.def"
}  // namespace sk_reuseport_fields
namespace sk_lookup_fields {
using Context = bpf_sk_lookup;
#include "isa/ctx/sk_lookup_md.def"
}  // namespace sk_lookup_fields
namespace device_fields {
using Context = bpf_cgroup_dev_ctx;
#include "isa/ctx/cgroup_dev_ctx.def"
}  // namespace device_fields
namespace sysctl_fields {
using Context = bpf_sysctl;
#include "isa/ctx/sysctl.def"
}  // namespace sysctl_fields
namespace sockopt_fields {
using Context = bpf_sockopt;
#include "isa/ctx/sockopt.def"
}  // namespace sockopt_fields
// The tables' registers are those of x86-64.
#if defined(__x86_64__)
namespace perf_fields {
using Context = bpf_perf_event_data;
#include "isa/ctx/perf_event_data.def"
}  // namespace perf_fields
namespace pt_regs_fields {
using Context = struct pt_regs;
#include "isa/ctx/pt_regs.def"
}  // namespace pt_regs_fields
#endif

namespace forager::isa {
namespace {

// ---- program types -----------------------------------------------------------------------------------------------

TEST(ProgTypes, AreNumberedAndNamedAsLibbpfDoes) {
  for (const ProgTypeRow& row : prog_types()) {
    const char* theirs = libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(row.type));
    if (theirs == nullptr) continue;  // newer than this libbpf, or our own
    EXPECT_EQ(row.name, theirs);
  }
  EXPECT_STREQ(libbpf_bpf_prog_type_str(BPF_PROG_TYPE_SYSCALL), "syscall");
}

TEST(ProgTypes, CoverAllThatTheHeaderKnows) {
  const auto known = [](std::uint32_t id) {
    return libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(id)) != nullptr;
  };
  for (std::uint32_t id = BPF_PROG_TYPE_SOCKET_FILTER; known(id); ++id) EXPECT_NE(find_prog_type(id), nullptr) << id;
}

TEST(ProgTypes, SectionsMeanToLibbpfWhatTheyMeanHere) {
  for (const ProgTypeRow& row : prog_types()) {
    if (row.section == "struct_ops" || row.type == ProgType::raw_memory) continue;  // libbpf: no type by name
    bpf_prog_type type{};
    bpf_attach_type attach{};
    // A section that ends in "/" wants a function or an event behind it.
    const std::string name = std::string(row.section) + (row.section.ends_with('/') ? "some/thing" : "");
    libbpf_set_print(nullptr);
    if (libbpf_prog_type_by_name(name.c_str(), &type, &attach) != 0) {
      EXPECT_EQ(libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(row.type)), nullptr) << name;
      continue;
    }
    EXPECT_EQ(static_cast<std::uint32_t>(row.type), static_cast<std::uint32_t>(type)) << name;
  }
}

TEST(ProgTypes, AreFoundByNumberAndName) {
  for (const ProgTypeRow& row : prog_types()) {
    EXPECT_EQ(find_prog_type(static_cast<std::uint32_t>(row.type)), &row);
    EXPECT_EQ(find_prog_type(row.name), &row);
  }
  EXPECT_EQ(find_prog_type(0U), nullptr);
  EXPECT_EQ(find_prog_type("no such type"), nullptr);
}

TEST(ProgTypes, SetsAreDisjoint) {
  ProgTypeSet seen = 0;
  for (const ProgTypeRow& row : prog_types()) {
    EXPECT_EQ(seen & set_of(row.type), 0U) << row.name;
    EXPECT_NE(set_of(row.type), 0U) << row.name;
    seen |= set_of(row.type);
  }
}

TEST(ProgTypes, SayWhetherTheyRun) {
  for (const ProgTypeRow& row : prog_types()) EXPECT_FALSE(row.status.empty()) << row.name;
  EXPECT_EQ(find_prog_type("xdp")->status, "runs");
  EXPECT_EQ(find_prog_type("raw_memory")->status, "runs");
}

TEST(ReturnValues, HaveTheirNames) {
  EXPECT_EQ(return_name(ProgType::xdp, XDP_ABORTED), "XDP_ABORTED");
  EXPECT_EQ(return_name(ProgType::xdp, XDP_REDIRECT), "XDP_REDIRECT");
  EXPECT_EQ(return_name(ProgType::xdp, 5), "");
  EXPECT_EQ(return_name(ProgType::sched_cls, 2), "TC_ACT_SHOT");
  EXPECT_EQ(return_name(ProgType::sk_msg, SK_PASS), "SK_PASS");
  EXPECT_EQ(return_name(ProgType::lwt_out, BPF_LWT_REROUTE), "BPF_LWT_REROUTE");
  EXPECT_EQ(return_name(ProgType::flow_dissector, 129), "BPF_FLOW_DISSECTOR_CONTINUE");
  EXPECT_TRUE(return_names(ReturnRule::any).empty());
  EXPECT_EQ(return_names(ReturnRule::xdp_action).size(), 5U);
}

TEST(ReturnValues, WithNamesAreAllowed) {
  for (const ProgTypeRow& row : prog_types()) {
    const ReturnRange range = return_range(row.returns);
    for (const ReturnName& name : return_names(row.returns)) {
      EXPECT_GE(name.value, range.min) << name.name;
      EXPECT_LE(name.value, range.max) << name.name;
    }
  }
}

TEST(ReturnValues, DependOnThePlace) {
  const ProgTypeRow& skb = *find_prog_type("cgroup_skb");
  EXPECT_EQ(return_range(skb, BPF_CGROUP_INET_INGRESS).max, 1U);
  EXPECT_EQ(return_range(skb, BPF_CGROUP_INET_EGRESS).max, 3U);
  // An attach type of another program type does not count.
  EXPECT_EQ(return_range(*find_prog_type("xdp"), BPF_CGROUP_INET_INGRESS).max, 0xffffffffU);
}

TEST(AttachTypes, AreNumberedAndNamedAsLibbpfDoes) {
  for (const AttachRow& row : attach_types()) {
    EXPECT_NE(row.program_types, 0U) << row.name;
    const char* theirs = libbpf_bpf_attach_type_str(static_cast<bpf_attach_type>(row.type));
    if (theirs != nullptr) {
      EXPECT_EQ(row.name, theirs);
    }
    EXPECT_EQ(find_attach(static_cast<std::uint32_t>(row.type)), &row);
    EXPECT_EQ(find_attach(row.name), &row);
  }
  EXPECT_GE(attach_types().size(), static_cast<std::size_t>(__MAX_BPF_ATTACH_TYPE));
}

// ---- contexts ----------------------------------------------------------------------------------------------------

TEST(Contexts, HaveTheSizesOfTheHeader) {
  EXPECT_EQ(find_context("xdp_md")->size, sizeof(xdp_md));
  EXPECT_EQ(find_context("__sk_buff")->size, sizeof(__sk_buff));
  EXPECT_EQ(find_context("bpf_sock")->size, sizeof(bpf_sock));
  EXPECT_EQ(find_context("bpf_sock_addr")->size, sizeof(bpf_sock_addr));
  EXPECT_GE(find_context("bpf_sock_ops")->size, sizeof(bpf_sock_ops)) << "newer headers add skb_hwtstamp";
  EXPECT_EQ(find_context("sk_msg_md")->size, sizeof(sk_msg_md));
  EXPECT_EQ(find_context("sk_reuseport_md")->size, sizeof(sk_reuseport_md));
  EXPECT_EQ(find_context("bpf_sk_lookup")->size, sizeof(bpf_sk_lookup));
  EXPECT_EQ(find_context("bpf_cgroup_dev_ctx")->size, sizeof(bpf_cgroup_dev_ctx));
  EXPECT_EQ(find_context("bpf_sysctl")->size, sizeof(bpf_sysctl));
  EXPECT_EQ(find_context("bpf_sockopt")->size, sizeof(bpf_sockopt));
}

TEST(Contexts, WithAPacketSayWhereItIs) {
  for (const ContextRow& row : contexts()) {
    const auto has = [&](FieldKind kind) { return std::ranges::count(row.fields, kind, &ContextField::kind); };
    EXPECT_EQ(has(FieldKind::packet), row.has_packet || row.name == "bpf_sockopt" ? 1 : 0) << row.name;
    EXPECT_EQ(has(FieldKind::packet_end), has(FieldKind::packet)) << row.name;
  }
}

TEST(Contexts, BytesBelongToFields) {
  const ContextRow& skb = *find_context("__sk_buff");
  EXPECT_EQ(find_field(skb, 47)->name, "tc_index");
  EXPECT_EQ(find_field(skb, 48)->name, "cb");
  EXPECT_EQ(find_field(skb, 67)->name, "cb");
  EXPECT_EQ(find_field(skb, 182), nullptr) << "padding";
  EXPECT_EQ(find_field(skb, 192), nullptr) << "behind the end";
}

TEST(Contexts, AccessesAreChecked) {
  const auto allowed = [](ProgType type, std::uint32_t offset, std::uint32_t bytes, bool store) {
    return check_access({type, 0, offset, bytes, store}) != nullptr;
  };
  EXPECT_TRUE(allowed(ProgType::xdp, offsetof(xdp_md, data), 4, false));
  EXPECT_FALSE(allowed(ProgType::xdp, offsetof(xdp_md, data), 8, false)) << "too wide";
  EXPECT_FALSE(allowed(ProgType::xdp, offsetof(xdp_md, data), 4, true)) << "a store";
  EXPECT_FALSE(allowed(ProgType::xdp, 2, 4, false)) << "not aligned";
  EXPECT_FALSE(allowed(ProgType::xdp, 24, 4, false)) << "outside";
  EXPECT_FALSE(allowed(ProgType::xdp, 0, 0, false)) << "of nothing";
  EXPECT_TRUE(allowed(ProgType::sched_cls, offsetof(__sk_buff, mark), 4, true));
  EXPECT_FALSE(allowed(ProgType::socket_filter, offsetof(__sk_buff, mark), 4, true));
  EXPECT_FALSE(check_access({ProgType::xdp, BPF_XDP, offsetof(xdp_md, egress_ifindex), 4, false}));
  EXPECT_TRUE(check_access({ProgType::xdp, BPF_XDP_DEVMAP, offsetof(xdp_md, egress_ifindex), 4, false}));
}

// ---- helpers -----------------------------------------------------------------------------------------------------

TEST(Helpers, AreNumberedAndNamedAsInTheHeader) {
#define FORAGER_NAME(name) #name
  constexpr std::string_view kNames[] = {
#define FORAGER_PICK(name, ...) FORAGER_NAME(name)
      __BPF_FUNC_MAPPER(FORAGER_PICK)};
  for (std::uint32_t id = 1; id < std::size(kNames); ++id) {
    ASSERT_NE(find_helper(id), nullptr) << kNames[id];
    EXPECT_EQ(find_helper(id)->name, kNames[id]);
    EXPECT_EQ(find_helper(kNames[id]), find_helper(id));
  }
  EXPECT_GE(std::size(kNames), 200U);
}

TEST(Helpers, AreNumberedWithoutGaps) {
  std::uint32_t id = 0;
  for (const HelperRow& helper : helpers()) EXPECT_EQ(helper.id, ++id) << helper.name;
  EXPECT_EQ(id, 211U);
  EXPECT_EQ(find_helper(0U), nullptr);
  EXPECT_EQ(find_helper(212U), nullptr);
}

bool is_memory(Arg arg) {
  return arg == Arg::mem || arg == Arg::mem_or_null || arg == Arg::mem_uninit || arg == Arg::mem_update ||
         arg == Arg::mem_out || arg == Arg::mem_out_or_null;
}
bool is_size(Arg arg) { return arg == Arg::const_size || arg == Arg::const_size_or_zero; }

TEST(Helpers, ArgumentsMakeSense) {
  for (const HelperRow& helper : helpers()) {
    const auto& args = helper.args;
    for (std::size_t i = 0; i < args.size(); ++i) {
      const Arg before = i == 0 ? Arg::none : args[i - 1];
      EXPECT_EQ(is_size(args[i]), is_memory(before)) << helper.name << ": memory is followed by its size";
      if (i > 0 && before == Arg::none) {
        EXPECT_EQ(args[i], Arg::none) << helper.name << ": no gaps";
      }
      const bool of_map = args[i] == Arg::map_key || args[i] == Arg::map_value || args[i] == Arg::map_value_uninit;
      if (of_map) {
        EXPECT_THAT(args, ::testing::Contains(Arg::const_map)) << helper.name;
      }
    }
    EXPECT_EQ(helper.map_types != 0, std::ranges::count(args, Arg::const_map) == 1) << helper.name;
    EXPECT_NE(helper.program_types, 0U) << helper.name;
  }
}

TEST(Helpers, DifferByCallerWhereTheySaySo) {
  const HelperRow& assign = *find_helper("sk_assign");
  EXPECT_EQ(helper_args(assign, ProgType::sched_cls)[1], Arg::socket_common);
  EXPECT_EQ(helper_args(assign, ProgType::sk_lookup)[1], Arg::socket_or_null);
  const HelperRow& lookup = *find_helper("map_lookup_elem");
  EXPECT_EQ(helper_args(lookup, ProgType::xdp), lookup.args);
}

// ---- maps --------------------------------------------------------------------------------------------------------

TEST(MapTypes, AreNumberedAndNamedAsLibbpfDoes) {
  std::uint32_t id = 0;
  for (const MapRow& row : maps()) {
    EXPECT_EQ(static_cast<std::uint32_t>(row.type), ++id) << "numbers have no gaps";
    const char* theirs = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(row.type));
    if (theirs != nullptr) {
      EXPECT_EQ(row.name, theirs);
    }
    EXPECT_EQ(find_map(id), &row);
    EXPECT_EQ(find_map(row.name), &row);
    EXPECT_FALSE(row.status.empty()) << row.name;
  }
  EXPECT_EQ(id, 33U);
}

TEST(MapTypes, HaveTheFlagsOfTheHeader) {
  EXPECT_EQ(find_map("lpm_trie")->needed_flags, BPF_F_NO_PREALLOC);
  EXPECT_EQ(find_map("ringbuf")->flags, BPF_F_NUMA_NODE);
  EXPECT_EQ(find_map("lru_hash")->flags, BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | BPF_F_RDONLY |
                                             BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG);
  EXPECT_EQ(find_map("perf_event_array")->flags, BPF_F_PRESERVE_ELEMS | BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY);
  EXPECT_NE(find_map("array")->flags & (BPF_F_MMAPABLE | BPF_F_INNER_MAP), 0U);
  for (const MapRow& row : maps()) EXPECT_EQ(row.needed_flags & ~row.flags, 0U) << row.name;
}

TEST(MapTypes, AreOpenToProgramsAsTheHelpersSay) {
  EXPECT_TRUE(find_map("hash")->delete_from_program);
  EXPECT_TRUE(find_map("devmap")->lookup_from_program);
  EXPECT_FALSE(find_map("devmap")->update_from_program);
  EXPECT_FALSE(find_map("prog_array")->lookup_from_program);
}

}  // namespace
}  // namespace forager::isa
