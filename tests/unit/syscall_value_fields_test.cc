// SPDX-License-Identifier: Apache-2.0
// Locks, timers and kernel pointers in map values: what creating such a map answers, ours beside the kernel's, and
// which fields the verifier is told of.
#include "syscall/value_fields.h"

#include <bpf/btf.h>

#include "runtime/objects.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

using program::ValueField;
using Kind = ValueField::Kind;

class Types {
 public:
  Types() : btf_(btf__new_empty(), btf__free) {}
  int u32() { return u32_ != 0 ? u32_ : u32_ = btf__add_int(get(), "u32", 4, 0); }
  int lock() { return lock_ != 0 ? lock_ : lock_ = structure("bpf_spin_lock", 4, {{u32(), 0}}); }
  int timer() { return timer_ != 0 ? timer_ : timer_ = structure("bpf_timer", 16, {{array(u32(), 4), 0}}); }
  int array(int of, unsigned count) { return btf__add_array(get(), u32(), of, count); }

  struct Member {
    int type;
    unsigned offset;  // bytes
    unsigned bits = 0;
  };
  int structure(const char* name, unsigned bytes, const std::vector<Member>& members) {
    const int id = btf__add_struct(get(), name, bytes);
    for (const Member& member : members) {
      std::string field = "m";
      field.append(std::to_string(member.offset)).append("_").append(std::to_string(member.bits));
      EXPECT_EQ(
          btf__add_field(get(), field.c_str(), member.type, member.offset * 8 + member.bits, member.bits != 0 ? 1 : 0),
          0);
    }
    return id;
  }
  int pointer_tagged(const char* tag, int to) { return btf__add_ptr(get(), btf__add_type_tag(get(), tag, to)); }
  ::btf* get() { return btf_.get(); }

 private:
  std::unique_ptr<::btf, void (*)(::btf*)> btf_;
  int u32_ = 0, lock_ = 0, timer_ = 0;
};

class ValueFields : public BpfTest {
 protected:
  long load_btf() {
    bpf_attr attr = empty_attr();
    __u32 size = 0;
    attr.btf = address_of(btf__raw_data(types_.get(), &size));
    attr.btf_size = size;
    return open(BPF_BTF_LOAD, attr);
  }
  // A map whose values are of that type, or what keeps it from being one.
  long create(int value_type, unsigned map_type = BPF_MAP_TYPE_ARRAY, unsigned flags = 0) {
    const auto key_type = static_cast<__u32>(types_.u32());
    const auto bytes = static_cast<unsigned>(btf__resolve_size(types_.get(), static_cast<__u32>(value_type)));
    bpf_attr attr = map_attr(map_type, 4, bytes, 2, flags);
    attr.btf_fd = static_cast<__u32>(load_btf());
    attr.btf_key_type_id = key_type;
    attr.btf_value_type_id = static_cast<__u32>(value_type);
    const long fd = bpf(BPF_MAP_CREATE, attr);
    if (fd < 0) return fd;
    last_ = static_cast<int>(fd);
    opened_by_create_.push_back(last_);
    return 0;
  }
  void TearDown() override {
    for (const int fd : opened_by_create_) (void)close(fd);
    BpfTest::TearDown();
  }
  Types types_;
  int last_ = -1;

 private:
  std::vector<int> opened_by_create_;
};
FORAGER_ON_BOTH(ValueFields);

TEST_P(ValueFields, LocksAndTimersAreForSomeMapTypes) {
  const int locked = types_.structure("v", 8, {{types_.lock(), 0}, {types_.u32(), 4}});
  const int timed = types_.structure("t", 24, {{types_.timer(), 0}, {types_.u32(), 16}});
  EXPECT_EQ(create(locked, BPF_MAP_TYPE_ARRAY), 0);
  EXPECT_EQ(create(locked, BPF_MAP_TYPE_HASH), 0);
  EXPECT_EQ(create(locked, BPF_MAP_TYPE_LRU_HASH), -EOPNOTSUPP);
  EXPECT_EQ(create(locked, BPF_MAP_TYPE_PERCPU_ARRAY), -EOPNOTSUPP);
  EXPECT_EQ(create(timed, BPF_MAP_TYPE_ARRAY), 0);
  EXPECT_EQ(create(timed, BPF_MAP_TYPE_LRU_HASH), 0);
  EXPECT_EQ(create(timed, BPF_MAP_TYPE_PERCPU_HASH), -EOPNOTSUPP);
}

TEST_P(ValueFields, MapsThatProgramsOnlyReadHaveNone) {
  const int locked = types_.structure("v", 4, {{types_.lock(), 0}});
  EXPECT_EQ(create(locked, BPF_MAP_TYPE_ARRAY, BPF_F_RDONLY_PROG), -EACCES);
  EXPECT_EQ(create(locked, BPF_MAP_TYPE_ARRAY, BPF_F_WRONLY_PROG), -EACCES);
}

// Only structures and data sections have fields.
TEST_P(ValueFields, ValuesOfOtherTypesHaveNone) {
  EXPECT_EQ(create(types_.u32(), BPF_MAP_TYPE_LRU_HASH), 0);
  EXPECT_EQ(create(types_.array(types_.structure("v", 4, {{types_.lock(), 0}}), 2), BPF_MAP_TYPE_LRU_HASH), 0);
  const int bits = types_.structure("bits", 24, {{types_.u32(), 4, 3}, {types_.timer(), 8}});
  EXPECT_EQ(create(bits, BPF_MAP_TYPE_PERCPU_ARRAY), 0) << "Linux gives up at a bit field";
}

class ValueFieldsHere : public ValueFields {
 protected:
  std::vector<ValueField> fields_of(int value_type, unsigned map_type = BPF_MAP_TYPE_ARRAY) {
    EXPECT_EQ(create(value_type, map_type), 0);
    auto& process = static_cast<OurSystem&>(system()).process;
    return (*process.fds.find<runtime::MapUser>(last_))->object()->spec().fields;
  }
};
INSTANTIATE_TEST_SUITE_P(Here, ValueFieldsHere, ::testing::Values(Whose::ours), name_of);

TEST_P(ValueFieldsHere, AreFoundByTheNamesOfTheirStructures) {
  const int both = types_.structure("v", 32, {{types_.u32(), 0}, {types_.lock(), 4}, {types_.timer(), 8}});
  const std::vector<ValueField> wanted = {{Kind::spin_lock, 4, 4}, {Kind::timer, 8, 16}};
  EXPECT_EQ(fields_of(both), wanted);
  EXPECT_EQ(fields_of(btf__add_typedef(types_.get(), "v_t", both)), wanted);
  EXPECT_TRUE(fields_of(types_.structure("plain", 8, {{types_.u32(), 0}})).empty());
}

TEST_P(ValueFieldsHere, StandInNestedStructuresToo) {
  const int inner = types_.structure("inner", 12, {{types_.u32(), 0}, {types_.lock(), 4}});
  const int outer = types_.structure("outer", 20, {{types_.u32(), 0}, {types_.array(inner, 1), 8}});
  EXPECT_EQ(fields_of(outer), (std::vector<ValueField>{{Kind::spin_lock, 12, 4}}));
  const int twice = types_.structure("twice", 24, {{inner, 0}, {inner, 12}});
  EXPECT_TRUE(fields_of(twice).empty()) << "two locks in one value";
}

TEST_P(ValueFieldsHere, OthersAreOpaque) {
  const int target = types_.structure("task_struct", 8, {{types_.u32(), 0}});
  const int pointers = types_.array(types_.pointer_tagged("kptr", target), 2);
  const int head = types_.structure("bpf_list_head", 16, {{types_.array(types_.u32(), 4), 0}});
  const int value = types_.structure("v", 40, {{pointers, 0}, {types_.lock(), 16}, {head, 24}});
  EXPECT_EQ(fields_of(value),
            (std::vector<ValueField>{
                {Kind::opaque, 0, 8}, {Kind::opaque, 8, 8}, {Kind::spin_lock, 16, 4}, {Kind::opaque, 24, 16}}));
  const int odd = types_.structure("o", 16, {{types_.pointer_tagged("of_next_year", target), 0}, {types_.lock(), 8}});
  EXPECT_TRUE(fields_of(odd).empty());
}

// Linux does not even load BTF with some of these.
TEST_P(ValueFieldsHere, OfMistakenTypesThereAreNone) {
  const int lock = types_.lock(), word = types_.u32();
  EXPECT_TRUE(fields_of(types_.structure("two", 8, {{lock, 0}, {lock, 4}})).empty());
  EXPECT_TRUE(fields_of(types_.structure("several", 8, {{types_.array(lock, 2), 0}})).empty());
  EXPECT_TRUE(fields_of(types_.structure("odd", 12, {{word, 0}, {lock, 5}})).empty()) << "not aligned";
  EXPECT_TRUE(fields_of(types_.structure("bits", 12, {{word, 4, 3}, {lock, 0}})).empty()) << "a bit field";
  EXPECT_TRUE(fields_of(types_.structure("over", 8, {{lock, 8}})).empty()) << "beyond the value";
}

TEST_P(ValueFieldsHere, StandInDataSections) {
  const int variable = btf__add_var(types_.get(), "guard", BTF_VAR_STATIC, types_.lock());
  const int section = btf__add_datasec(types_.get(), ".bss.A", 8);
  EXPECT_EQ(btf__add_datasec_var_info(types_.get(), variable, 4, 4), 0);
  program::MapSpec map{.type = isa::MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1};
  const auto fields = value_fields(*types_.get(), static_cast<__u32>(section), map);
  ASSERT_TRUE(fields);
  EXPECT_EQ(*fields, (std::vector<ValueField>{{Kind::spin_lock, 4, 4}}));
}

// Thirty structures, each of which holds the one before twice: more members than anybody can count.
TEST_P(ValueFieldsHere, NestingWithoutEndEnds) {
  int type = types_.structure("s", 0, {{types_.u32(), 0}});
  for (int i = 0; i < 30; ++i) type = types_.structure("s", 0, {{type, 0}, {type, 0}});
  program::MapSpec map{.type = isa::MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1};
  const auto fields = value_fields(*types_.get(), static_cast<__u32>(type), map);
  ASSERT_TRUE(fields);
  EXPECT_TRUE(fields->empty());
}

}  // namespace
}  // namespace forager::syscall::testing
