// SPDX-License-Identifier: Apache-2.0
// What becomes of a function's BTF signature, parameter by parameter.
#include "syscall/signature.h"

#include <gtest/gtest.h>

#include <memory>

namespace forager::syscall {
namespace {

using isa::ProgType;
using program::FunctionInfo;
using program::Parameter;
using Kind = Parameter::Kind;

// Types are numbered as they are added; a FUNC with one parameter is made for each question.
class Signatures : public ::testing::Test {
 protected:
  int added(int id) {
    EXPECT_GT(id, 0);
    return id;
  }
  int integer() { return int_ != 0 ? int_ : int_ = added(btf__add_int(types(), "int", 4, BTF_INT_SIGNED)); }
  int structure(const char* name, unsigned bytes = 8) { return added(btf__add_struct(types(), name, bytes)); }
  int pointer(int to) { return added(btf__add_ptr(types(), to)); }
  int function(int parameter, int returns, btf_func_linkage linkage = BTF_FUNC_GLOBAL) {
    const int prototype = added(btf__add_func_proto(types(), returns));
    if (parameter >= 0) {
      EXPECT_EQ(btf__add_func_param(types(), "p", parameter), 0);
    }
    return added(btf__add_func(types(), "f", linkage, prototype));
  }
  void tag(int function, const char* text) { added(btf__add_decl_tag(types(), text, function, 0)); }

  FunctionInfo read(int function, ProgType type = ProgType::xdp) {
    FunctionInfo info{.btf_type = static_cast<std::uint32_t>(function)};
    read_signature(*types_, type, info);
    return info;
  }
  Parameter parameter(int type, ProgType program = ProgType::xdp) {
    const auto info = read(function(type, integer()), program);
    EXPECT_EQ(info.parameters.size(), 1U);
    return info.parameters.empty() ? Parameter{} : info.parameters[0];
  }
  Kind kind(int type, ProgType program = ProgType::xdp) { return parameter(type, program).kind; }
  Parameter tagged(int type, const char* text) {
    const int id = function(type, integer());
    tag(id, text);
    return read(id).parameters.at(0);
  }
  ::btf* types() { return types_.get(); }

 private:
  std::unique_ptr<::btf, void (*)(::btf*)> types_{btf__new_empty(), btf__free};
  int int_ = 0;
};

TEST_F(Signatures, LinkageIsTheFunctions) {
  EXPECT_EQ(read(function(-1, integer(), BTF_FUNC_STATIC)).linkage, FunctionInfo::Linkage::local);
  EXPECT_EQ(read(function(-1, integer(), BTF_FUNC_GLOBAL)).linkage, FunctionInfo::Linkage::global);
  EXPECT_EQ(read(function(-1, integer(), BTF_FUNC_EXTERN)).linkage, FunctionInfo::Linkage::external);
}

TEST_F(Signatures, ReturnsAreScalarsOrNothingOrOther) {
  const int choice = added(btf__add_enum(types(), "e", 4));
  const int named = added(btf__add_typedef(types(), "t", added(btf__add_const(types(), choice))));
  EXPECT_EQ(read(function(-1, integer())).returns, FunctionInfo::Returns::scalar);
  EXPECT_EQ(read(function(-1, named)).returns, FunctionInfo::Returns::scalar);
  EXPECT_EQ(read(function(-1, 0)).returns, FunctionInfo::Returns::nothing);
  EXPECT_EQ(read(function(-1, pointer(integer()))).returns, FunctionInfo::Returns::other);
  EXPECT_EQ(read(function(-1, structure("s"))).returns, FunctionInfo::Returns::other);
}

TEST_F(Signatures, IntegersAndEnumerationsAreScalars) {
  EXPECT_EQ(kind(integer()), Kind::scalar);
  EXPECT_EQ(kind(added(btf__add_enum64(types(), "e", 8, false))), Kind::scalar);
  EXPECT_EQ(kind(structure("s")), Kind::other) << "a structure by value";
  EXPECT_EQ(kind(added(btf__add_float(types(), "f", 4))), Kind::other);
  EXPECT_EQ(parameter(integer()).name, "p");
}

TEST_F(Signatures, PointersToWhatHasASizeAreMemoryThatMayBeMissing) {
  const Parameter memory = parameter(pointer(structure("s", 24)));
  EXPECT_EQ(memory.kind, Kind::memory);
  EXPECT_EQ(memory.size, 24U);
  EXPECT_TRUE(memory.nullable);
  const int array = added(btf__add_array(types(), integer(), integer(), 5));
  EXPECT_EQ(parameter(pointer(array)).size, 20U);
  EXPECT_EQ(parameter(pointer(pointer(0))).size, 8U);
  EXPECT_EQ(kind(pointer(0)), Kind::other) << "void has no size";
  EXPECT_EQ(kind(pointer(added(btf__add_fwd(types(), "later", BTF_FWD_STRUCT)))), Kind::other);
}

TEST_F(Signatures, TheContextIsKnownByItsName) {
  EXPECT_EQ(kind(pointer(structure("xdp_md"))), Kind::context);
  EXPECT_EQ(kind(pointer(structure("xdp_buff"))), Kind::context) << "the kernel's own structure behind it";
  EXPECT_EQ(kind(pointer(structure("__sk_buff"))), Kind::memory) << "another program type's";
  EXPECT_EQ(kind(pointer(structure("__sk_buff")), ProgType::sched_cls), Kind::context);
  EXPECT_EQ(kind(pointer(structure("bpf_sock_ops")), ProgType::sock_ops), Kind::context);
  EXPECT_EQ(kind(pointer(structure("bpf_perf_event_data")), ProgType::perf_event), Kind::context);
  EXPECT_EQ(kind(pointer(structure("bpf_raw_tracepoint_args")), ProgType::raw_tracepoint_writable), Kind::context);
  const int hidden = added(btf__add_typedef(types(), "ctx_t", structure("xdp_md")));
  EXPECT_EQ(kind(pointer(added(btf__add_const(types(), hidden)))), Kind::context);
}

TEST_F(Signatures, ProbesKnowTheirRegistersByTheTypedefToo) {
  const int registers = structure("pt_regs");
  const int named = added(btf__add_typedef(types(), "bpf_user_pt_regs_t", structure("of_some_machine")));
  EXPECT_EQ(kind(pointer(registers), ProgType::kprobe), Kind::context);
  EXPECT_EQ(kind(pointer(added(btf__add_const(types(), named))), ProgType::kprobe), Kind::context);
  EXPECT_EQ(kind(pointer(structure("user_pt_regs")), ProgType::kprobe), Kind::context);
  EXPECT_EQ(kind(pointer(named), ProgType::xdp), Kind::memory);
}

TEST_F(Signatures, TagsDecideBeforeTypes) {
  const Parameter sure = tagged(pointer(integer()), "arg:nonnull");
  EXPECT_EQ(sure.kind, Kind::memory);
  EXPECT_FALSE(sure.nullable);
  EXPECT_EQ(tagged(pointer(0), "arg:ctx").kind, Kind::context);
  EXPECT_EQ(tagged(pointer(integer()), "arg:trusted").kind, Kind::other);
  EXPECT_EQ(tagged(pointer(integer()), "arg:of_next_year").kind, Kind::other);
  EXPECT_EQ(tagged(pointer(structure("xdp_md")), "arg:nonnull").kind, Kind::other) << "a context is never null";
  EXPECT_EQ(tagged(integer(), "arg:nonnull").kind, Kind::other) << "no pointer";
  EXPECT_EQ(tagged(pointer(integer()), "for somebody else").kind, Kind::memory);
}

TEST_F(Signatures, WhatVerifierHereDoesNotTakeIsOther) {
  EXPECT_EQ(kind(pointer(structure("bpf_dynptr", 16))), Kind::other);
}

TEST_F(Signatures, OfStaticFunctionsScalarsAreTold) {
  const auto pointers = read(function(pointer(structure("xdp_md")), integer(), BTF_FUNC_STATIC));
  EXPECT_EQ(pointers.parameters.at(0).kind, Kind::other);
  EXPECT_EQ(read(function(integer(), integer(), BTF_FUNC_STATIC)).parameters.at(0).kind, Kind::scalar);
}

TEST_F(Signatures, CirclesEnd) {
  const int first = added(btf__add_typedef(types(), "a", 0));
  const int second = added(btf__add_typedef(types(), "b", first));
  const_cast<btf_type*>(btf__type_by_id(types(), static_cast<__u32>(first)))->type = static_cast<__u32>(second);
  EXPECT_EQ(kind(second), Kind::other);
  EXPECT_EQ(kind(pointer(second)), Kind::other);
  EXPECT_EQ(kind(pointer(second), ProgType::kprobe), Kind::other);
}

TEST_F(Signatures, AFunctionWithoutPrototypeIsNotCalled) {
  const int bare = function(-1, integer());
  const_cast<btf_type*>(btf__type_by_id(types(), static_cast<__u32>(bare)))->type = static_cast<__u32>(integer());
  EXPECT_EQ(read(bare).returns, FunctionInfo::Returns::other);
  EXPECT_TRUE(read(bare).parameters.empty());
}

}  // namespace
}  // namespace forager::syscall
