// SPDX-License-Identifier: Apache-2.0
// Pins that outlive the process: what comes back in the next, and what becomes of the files.
#include <sys/wait.h>

#include "maps/snapshot.h"
#include "syscall_pin_testing.h"

namespace forager::syscall::testing {
namespace {

class PinStoreTest : public PinDirectory {};

// ---- maps --------------------------------------------------------------------------------------------------------

struct Kind {
  const char* name;
  unsigned type, key_size, value_size, flags;
  bool per_cpu;
};
std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

class KeptElements : public PinDirectory, public ::testing::WithParamInterface<Kind> {};

constexpr Kind kKinds[] = {
    {"array", BPF_MAP_TYPE_ARRAY, 4, 12, 0, false},
    {"mmapable", BPF_MAP_TYPE_ARRAY, 4, 8, BPF_F_MMAPABLE, false},
    {"read_only", BPF_MAP_TYPE_ARRAY, 4, 8, BPF_F_RDONLY_PROG, false},
    {"hash", BPF_MAP_TYPE_HASH, 4, 5, 0, false},
    {"no_prealloc", BPF_MAP_TYPE_HASH, 8, 8, BPF_F_NO_PREALLOC, false},
    {"lru", BPF_MAP_TYPE_LRU_HASH, 4, 8, 0, false},
    {"trie", BPF_MAP_TYPE_LPM_TRIE, 8, 3, BPF_F_NO_PREALLOC, false},
    {"percpu_array", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 0, true},
    {"percpu_hash", BPF_MAP_TYPE_PERCPU_HASH, 4, 4, 0, true},
    {"lru_percpu", BPF_MAP_TYPE_LRU_PERCPU_HASH, 4, 16, 0, true},
    {"devmap", BPF_MAP_TYPE_DEVMAP, 4, 8, 0, false},
    {"devmap_hash", BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 0, false},
};
INSTANTIATE_TEST_SUITE_P(Types, KeptElements, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return std::string(info.param.name); });

// Key n: the number itself, behind a full prefix where keys have one.
Text key_of(const Kind& kind, __u32 n) {
  if (kind.type == BPF_MAP_TYPE_LPM_TRIE) return text_of(__u32{32}) + text_of(n);
  return text_of(n) + Text(kind.key_size - sizeof n, '\1');
}

TEST_P(KeptElements, ComeBackWithTheirMap) {
  const Kind& kind = GetParam();
  std::map<Text, Text> before;
  bpf_map_info shape{};
  std::size_t bytes = kind.value_size;
  {
    Life life(directory_);
    if (kind.per_cpu) bytes = std::size_t{(kind.value_size + 7U) & ~7U} * life.process().runtime.environment.cpus;
    const int map = life.create(map_attr(kind.type, kind.key_size, kind.value_size, 8, kind.flags, kind.name));
    for (__u32 n = 0; n < 3; ++n) {
      Text value(bytes, '\0');
      value[0] = static_cast<char>(n + 1);  // of devmaps the port
      if (kind.type < BPF_MAP_TYPE_DEVMAP) value[bytes - 1] = 'x';
      ASSERT_EQ(life.update(map, key_of(kind, n), value), 0);
    }
    before = life.contents(map, kind.key_size, bytes);
    shape = life.info<bpf_map_info>(map);
    ASSERT_EQ(life.pin(map, path("kept")), 0);
  }
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  const int map = life.get(path("kept"));
  auto again = life.info<bpf_map_info>(map);
  again.id = shape.id;
  EXPECT_EQ(text_of(again), text_of(shape));
  EXPECT_EQ(life.contents(map, kind.key_size, bytes), before);
  EXPECT_GE(before.size(), 3U);
}

TEST_F(PinStoreTest, QueuesAndStacksKeepTheirOrder) {
  {
    Life life(directory_);
    for (const unsigned type : {BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK}) {
      const int map = life.create(map_attr(type, 0, 4, 3));
      for (__u32 n = 1; n <= 3; ++n) ASSERT_EQ(life.update(map, {}, text_of(n)), 0);
      ASSERT_EQ(life.pin(map, path(type == BPF_MAP_TYPE_QUEUE ? "queue" : "stack")), 0);
    }
  }
  Life life(directory_);
  const auto pop = [&](int map) { return life.lookup(map, {}, 4, BPF_MAP_LOOKUP_AND_DELETE_ELEM); };
  const int queue = life.get(path("queue")), stack = life.get(path("stack"));
  for (__u32 n = 1; n <= 3; ++n) {
    EXPECT_EQ(pop(queue), text_of(n));
    EXPECT_EQ(pop(stack), text_of(4 - n));
  }
  EXPECT_EQ(pop(queue), Text());
}

TEST_F(PinStoreTest, BloomFiltersKnowTheirMembers) {
  const auto asks = [](Life& life, int map, __u32 n) {
    return life.bpf(BPF_MAP_LOOKUP_ELEM, element_attr(map, nullptr, &n));
  };
  std::vector<__u32> strangers;
  {
    Life life(directory_);
    const int map = life.create(map_attr(BPF_MAP_TYPE_BLOOM_FILTER, 0, 4, 100));
    for (__u32 n = 0; n < 100; ++n) ASSERT_EQ(life.update(map, {}, text_of(n)), 0);
    for (__u32 n = 100; n < 1000; ++n) {
      if (asks(life, map, n) == -ENOENT) strangers.push_back(n);
    }
    ASSERT_EQ(life.pin(map, path("bloom")), 0);
  }
  Life life(directory_);
  const int map = life.get(path("bloom"));
  for (__u32 n = 0; n < 100; ++n) EXPECT_EQ(asks(life, map, n), 0);
  for (const __u32 n : strangers) EXPECT_EQ(asks(life, map, n), -ENOENT);
  EXPECT_GT(strangers.size(), 500U);
}

exec::Map& map_at(Life& life, int fd) { return *(*life.process().fds.find<runtime::MapUser>(fd))->object()->map; }

TEST_F(PinStoreTest, RingBuffersKeepWhatNobodyRead) {
  {
    Life life(directory_);
    const int map = life.create(map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096));
    exec::RingProducer& ring = *map_at(life, map).abilities().ring;
    ASSERT_EQ(ring.output("first", 5, 0), 0);
    ring.commit(ring.reserve(8), 0, true);
    ASSERT_EQ(ring.output("second", 6, 0), 0);
    ASSERT_NE(ring.reserve(16), nullptr) << "still being filled";
    ASSERT_EQ(life.pin(map, path("ring")), 0);
  }
  Life life(directory_);
  const auto bytes = maps::snapshot_of(map_at(life, life.get(path("ring"))))->copy_out();
  const Text expected = text_of(__u32{5}) + "first" + text_of(__u32{6}) + "second";
  EXPECT_EQ(Text(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
}

TEST_F(PinStoreTest, OthersComeBackEmpty) {
  struct Empty {
    unsigned type, key_size, value_size;
  };
  constexpr Empty kEmpty[] = {{BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4}, {BPF_MAP_TYPE_SOCKMAP, 4, 8},
                              {BPF_MAP_TYPE_STACK_TRACE, 4, 80},     {BPF_MAP_TYPE_XSKMAP, 4, 4},
                              {BPF_MAP_TYPE_CGROUP_ARRAY, 4, 4},     {BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8}};
  {
    Life life(directory_);
    for (const Empty& one : kEmpty) {
      const int map = life.create(map_attr(one.type, one.key_size, one.value_size, 4));
      ASSERT_EQ(life.pin(map, path(std::to_string(one.type))), 0);
    }
  }
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  for (const Empty& one : kEmpty) {
    const auto info = life.info<bpf_map_info>(life.get(path(std::to_string(one.type))));
    EXPECT_EQ(info.type, one.type);
    EXPECT_EQ(info.value_size, one.value_size);
  }
}

TEST_F(PinStoreTest, MapsOfMapsHoldTheSameMaps) {
  const __u32 key = 1;
  {
    Life life(directory_);
    const int inner = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, "inner"));
    ASSERT_EQ(life.update(inner, text_of(__u32{0}), text_of(__u64{77})), 0);
    ASSERT_EQ(life.pin(inner, path("inner")), 0);
    for (const unsigned type : {BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS}) {
      bpf_attr attr = map_attr(type, 4, 4, 4);
      attr.inner_map_fd = static_cast<__u32>(inner);
      const int outer = life.create(attr);
      ASSERT_EQ(life.update(outer, text_of(key), text_of(inner)), 0);
      ASSERT_EQ(life.pin(outer, path(std::to_string(type))), 0);
    }
    EXPECT_EQ(count(".map"), 3U);
  }
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  const int inner = life.get(path("inner"));
  EXPECT_EQ(life.lookup(inner, text_of(__u32{0}), 8), text_of(__u64{77}));
  for (const unsigned type : {BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS}) {
    const int outer = life.get(path(std::to_string(type)));
    const auto contents = life.contents(outer, 4, 4);
    EXPECT_EQ(contents, (std::map<Text, Text>{{text_of(key), text_of(life.info<bpf_map_info>(inner).id)}}));
  }
}

TEST_F(PinStoreTest, MapsThatOnlyMapsHoldStay) {
  const __u32 zero = 0;
  {
    Life life(directory_);
    const int inner = life.create(map_attr(BPF_MAP_TYPE_HASH, 4, 4, 2));
    ASSERT_EQ(life.update(inner, text_of(zero), text_of(__u32{5})), 0);
    bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 1);
    attr.inner_map_fd = static_cast<__u32>(inner);
    const int outer = life.create(attr);
    ASSERT_EQ(life.update(outer, text_of(zero), text_of(inner)), 0);
    ASSERT_EQ(life.pin(outer, path("outer")), 0);
  }
  for (int lives = 0; lives < 2; ++lives) {
    Life life(directory_);
    EXPECT_EQ(life.left_out, std::vector<std::string>());
    Text id = life.lookup(life.get(path("outer")), text_of(zero), 4);
    ASSERT_EQ(id.size(), 4U);
    bpf_attr attr = empty_attr();
    std::memcpy(&attr.map_id, id.data(), sizeof attr.map_id);
    EXPECT_EQ(life.lookup(life.open(BPF_MAP_GET_FD_BY_ID, attr), text_of(zero), 4), text_of(__u32{5}));
    EXPECT_EQ(life.process().pin_store.save().has_value(), true);
  }
}

TEST_F(PinStoreTest, TypesOfKeysAndValuesComeBack) {
  {
    Life life(directory_);
    ::btf* types = btf__new_empty();
    const int number = btf__add_int(types, "u32", 4, 0);
    const int lock = btf__add_struct(types, "bpf_spin_lock", 4);
    EXPECT_EQ(btf__add_field(types, "val", number, 0, 0), 0);
    const int value = btf__add_struct(types, "v", 8);
    EXPECT_EQ(btf__add_field(types, "lock", lock, 0, 0), 0);
    EXPECT_EQ(btf__add_field(types, "count", number, 32, 0), 0);
    bpf_attr attr = empty_attr();
    attr.btf = address_of(btf__raw_data(types, &attr.btf_size));
    const int btf = life.open(BPF_BTF_LOAD, attr);
    btf__free(types);
    attr = map_attr(BPF_MAP_TYPE_HASH, 4, 8, 4);
    attr.btf_fd = static_cast<__u32>(btf);
    attr.btf_key_type_id = static_cast<__u32>(number);
    attr.btf_value_type_id = static_cast<__u32>(value);
    const int locked = life.create(attr);
    ASSERT_EQ(life.update(locked, text_of(__u32{1}), text_of(__u32{0}) + text_of(__u32{9})), 0);
    ASSERT_EQ(life.pin(locked, path("locked")), 0);
    attr = map_attr(BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 1);
    attr.inner_map_fd = static_cast<__u32>(locked);
    ASSERT_EQ(life.pin(life.create(attr), path("outer")), 0);
  }
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  const int locked = life.get(path("locked"));
  const auto info = life.info<bpf_map_info>(locked);
  EXPECT_NE(info.btf_id, 0U);
  EXPECT_NE(info.btf_value_type_id, 0U);
  EXPECT_EQ(life.lookup(locked, text_of(__u32{1}), 8), text_of(__u32{0}) + text_of(__u32{9}));
  EXPECT_EQ(map_at(life, locked).spec().fields.size(), 1U);
  EXPECT_EQ(life.update(life.get(path("outer")), text_of(__u32{0}), text_of(locked)), 0)
      << "the example has a lock too";
}

TEST_F(PinStoreTest, FrozenMapsStayFrozen) {
  const Text zero = text_of(__u32{0});
  {
    Life life(directory_);
    const int map = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG));
    ASSERT_EQ(life.update(map, zero, text_of(__u64{1})), 0);
    ASSERT_EQ(life.pin(map, path("constants")), 0);
    bpf_attr attr = empty_attr();
    attr.map_fd = static_cast<__u32>(map);
    ASSERT_EQ(life.bpf(BPF_MAP_FREEZE, attr), 0);
    // r0 = the constant; if it were not known to be 1, what follows would be reached, and refused.
    const Code code = {{0x18, 1, BPF_PSEUDO_MAP_VALUE, 0, map},
                       {0, 0, 0, 0, 0},
                       {0x79, 0, 1, 0, 0},
                       {0x15, 0, 0, 1, 1},
                       {0x79, 0, 9, 0, 0},
                       {0x95, 0, 0, 0, 0}};
    ASSERT_EQ(life.pin(life.load(code), path("reader")), 0);
  }
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  const int map = life.get(path("constants"));
  EXPECT_EQ(life.lookup(map, zero, 8), text_of(__u64{1}));
  EXPECT_EQ(life.update(map, zero, text_of(__u64{2})), -EPERM);
  EXPECT_EQ(life.run(life.get(path("reader"))), 1);
}

// ---- programs ----------------------------------------------------------------------------------------------------

TEST_F(PinStoreTest, ProgramsShareTheirMapWithItsPin) {
  const Text zero = text_of(__u32{0});
  bpf_prog_info before{};
  {
    Life life(directory_);
    const int map = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, "counter"));
    const int one = life.load(counts_in(map), "one");
    EXPECT_EQ(life.run(one), 2);
    ASSERT_EQ(life.pin(one, path("one")), 0);
    ASSERT_EQ(life.pin(life.load(counts_in(map), "two"), path("two")), 0);
    ASSERT_EQ(life.pin(map, path("counter")), 0);
    EXPECT_EQ(count(".map"), 1U);
    before = life.info<bpf_prog_info>(one);
  }
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  const int map = life.get(path("counter")), one = life.get(path("one")), two = life.get(path("two"));
  EXPECT_EQ(life.lookup(map, zero, 8), text_of(__u64{1}));
  EXPECT_EQ(life.run(one), 2);
  EXPECT_EQ(life.run(two), 2);
  EXPECT_EQ(life.lookup(map, zero, 8), text_of(__u64{3}));
  const auto after = life.info<bpf_prog_info>(one);
  EXPECT_STREQ(after.name, "one");
  EXPECT_EQ(after.type, before.type);
  EXPECT_EQ(after.gpl_compatible, 1U);
  EXPECT_EQ(after.nr_map_ids, 1U);
  EXPECT_EQ(Text(reinterpret_cast<const char*>(after.tag), sizeof after.tag),
            Text(reinterpret_cast<const char*>(before.tag), sizeof before.tag));
}

TEST_F(PinStoreTest, TailCallsFindTheirProgram) {
  {
    Life life(directory_);
    const int programs = life.create(map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2));
    const int jumper = life.load(jumps_to(programs)), target = life.load(return_2());
    ASSERT_EQ(life.pin(jumper, path("jumper")), 0);
    ASSERT_EQ(life.pin(programs, path("programs")), 0);
    EXPECT_EQ(count(".prog"), 1U);
    // The array holds a program that holds the array, and one that nothing else holds.
    ASSERT_EQ(life.update(programs, text_of(__u32{1}), text_of(jumper)), 0);
    ASSERT_EQ(life.update(programs, text_of(__u32{0}), text_of(target)), 0);
    EXPECT_EQ(life.run(jumper), 2);
  }
  EXPECT_EQ(count(".prog"), 2U);
  Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  EXPECT_EQ(life.run(life.get(path("jumper"))), 2);
}

TEST_F(PinStoreTest, LinesAndBoundMapsComeBack) {
  const Code code = return_2();
  {
    Life life(directory_);
    ::btf* types = btf__new_empty();
    const int number = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
    const bpf_func_info function{
        0, static_cast<__u32>(btf__add_func(types, "f", BTF_FUNC_GLOBAL, btf__add_func_proto(types, number)))};
    const auto file = static_cast<__u32>(btf__add_str(types, "file.c"));
    const bpf_line_info line{0, file, static_cast<__u32>(btf__add_str(types, "return 2;")), 12 << 10};
    bpf_attr attr = empty_attr();
    attr.btf = address_of(btf__raw_data(types, &attr.btf_size));
    const int btf = life.open(BPF_BTF_LOAD, attr);
    btf__free(types);
    attr = prog_attr(code);
    attr.prog_btf_fd = static_cast<__u32>(btf);
    attr.func_info = address_of(&function), attr.line_info = address_of(&line);
    attr.func_info_cnt = attr.line_info_cnt = 1;
    attr.func_info_rec_size = sizeof function, attr.line_info_rec_size = sizeof line;
    const int program = life.open(BPF_PROG_LOAD, attr);
    const int bound = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, "bound"));
    attr = empty_attr();
    attr.prog_bind_map.prog_fd = static_cast<__u32>(program);
    attr.prog_bind_map.map_fd = static_cast<__u32>(bound);
    ASSERT_EQ(life.bpf(BPF_PROG_BIND_MAP, attr), 0);
    ASSERT_EQ(life.pin(program, path("p")), 0);
  }
  Life life(directory_);
  const auto program = *life.process().fds.find<runtime::ProgramObject>(life.get(path("p")));
  ASSERT_EQ(program->source().lines.size(), 1U);
  EXPECT_EQ(program->source().lines[0].text, "return 2;");
  EXPECT_EQ(program->source().functions.at(0).name, "f");
  ASSERT_EQ(program->all_maps().size(), 1U);
  EXPECT_EQ(program->all_maps()[0]->spec().name, "bound");
}

// As it would load, but by the runtime: that takes no kernel's BTF.
TEST_F(PinStoreTest, IteratorsAreNotKept) {
  Life life(directory_);
  runtime::ProgramRequest request;
  request.source.type = isa::ProgType::tracing;
  request.source.attach_type = BPF_TRACE_ITER;
  request.source.gpl_compatible = true;
  request.source.iterator = isa::find_iterator("bpf_iter_bpf_map");
  request.source.slots = {{.opcode = 0xb7}, {.opcode = 0x95}};
  const auto program = life.process().runtime.load_program(request);
  ASSERT_TRUE(program) << program.error().text();
  ASSERT_EQ(life.process().files.pins().pin(path("iterator"), *program), 0);
  EXPECT_EQ(life.process().pin_store.save().has_value(), true);
  EXPECT_EQ(files(), std::vector<std::string>());
}

// ---- files and names ---------------------------------------------------------------------------------------------

TEST_F(PinStoreTest, UnlinkingRemovesTheFiles) {
  Life life(directory_);
  const int map = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  ASSERT_EQ(life.pin(life.load(counts_in(map)), path("p")), 0);
  ASSERT_EQ(life.pin(map, path("m")), 0);
  EXPECT_EQ(files(), (std::vector<std::string>{"1.prog", "2.map", "3.pin", "4.pin"}));
  EXPECT_EQ(life.unlink(path("m")), 0);
  EXPECT_EQ(files(), (std::vector<std::string>{"1.prog", "2.map", "3.pin"})) << "the program needs its map";
  EXPECT_EQ(life.unlink(path("p")), 0);
  EXPECT_EQ(files(), std::vector<std::string>());
}

TEST_F(PinStoreTest, DirectoriesOfPinsAreThereAndLinksAreNot) {
  {
    Life life(directory_);
    ASSERT_EQ(life.process().files.mkdir(AT_FDCWD, "/sys/fs/bpf/a"), 0);
    ASSERT_EQ(life.process().files.mkdir(AT_FDCWD, "/sys/fs/bpf/a/b"), 0);
    const int program = life.load(return_2());
    ASSERT_EQ(life.pin(program, path("a/b/p")), 0);
    ASSERT_EQ(life.pin(program, "/elsewhere/p"), 0);
    bpf_attr attr = empty_attr();
    attr.link_create.prog_fd = static_cast<__u32>(program);
    attr.link_create.target_ifindex = 1;
    attr.link_create.attach_type = BPF_XDP;
    ASSERT_EQ(life.pin(life.open(BPF_LINK_CREATE, attr), path("link")), 0);
  }
  Life life(directory_);
  EXPECT_TRUE(life.has(path("a/b/p")));
  EXPECT_TRUE(life.has("/elsewhere/p"));
  EXPECT_FALSE(life.has(path("link")));
}

TEST_F(PinStoreTest, APinThatCannotBeWrittenIsNone) {
  Life life(directory_);
  const int map = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  std::filesystem::remove_all(directory_);
  EXPECT_EQ(life.pin(map, path("m")), -ENOENT);
  EXPECT_FALSE(life.has(path("m")));
}

// ---- processes ---------------------------------------------------------------------------------------------------

TEST_F(PinStoreTest, ADirectoryHasOneProcess) {
  Life life(directory_);
  Process second;
  const auto refused = second.pin_store.open(directory_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error, EBUSY);
  EXPECT_EQ(refused.error().message, directory_ + ": another process keeps its pins there");
  life.process().pin_store.close();
  EXPECT_TRUE(second.pin_store.open(directory_));
  EXPECT_EQ(second.pin_store.open(directory_).error().error, EBUSY) << "twice";
}

TEST_F(PinStoreTest, PinsThatAreThereAlreadyAreNotTaken) {
  OurSystem system;
  bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
  const long map = system.bpf(BPF_MAP_CREATE, &attr, sizeof attr);
  ASSERT_EQ(system.process.files.pins().pin("/x", *system.process.fds.find(static_cast<int>(map))), 0);
  EXPECT_EQ(system.process.pin_store.open(directory_).error().error, EBUSY);
  EXPECT_EQ(system.close(static_cast<int>(map)), 0);
}

// Pins an array's map with 1 in it, makes that 2, and ends.
[[noreturn]] void live(const std::string& directory, void (*end)(int)) {
  Process& process = syscall::process();
  const auto call = [&](int command, bpf_attr attr) { return syscall::bpf(process, command, &attr, sizeof attr); };
  if (!process.pin_store.open(directory)) _exit(1);
  const __u32 zero = 0;
  __u64 value = 1;
  const long map = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  if (call(BPF_MAP_UPDATE_ELEM, element_attr(map, &zero, &value)) != 0) _exit(2);
  bpf_attr attr = empty_attr();
  const std::string name = path("m");
  attr.pathname = address_of(name.c_str());
  attr.bpf_fd = static_cast<__u32>(map);
  if (call(BPF_OBJ_PIN, attr) != 0) _exit(3);
  value = 2;
  if (call(BPF_MAP_UPDATE_ELEM, element_attr(map, &zero, &value)) != 0) _exit(4);
  end(0);
  std::abort();
}

void expect_after(const std::string& directory, void (*end)(int), __u64 expected) {
  const pid_t child = fork();
  if (child == 0) live(directory, end);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  Life life(directory);
  EXPECT_EQ(life.lookup(life.get(path("m")), text_of(__u32{0}), 8), text_of(expected));
}

TEST_F(PinStoreTest, AnOrderlyEndWritesTheLastContents) { expect_after(directory_, std::exit, 2); }
TEST_F(PinStoreTest, AnySuddenEndLeavesWhatWasPinned) { expect_after(directory_, _exit, 1); }

TEST_F(PinStoreTest, AChildOfForkWritesNothing) {
  Life life(directory_);
  const int map = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  ASSERT_EQ(life.pin(map, path("m")), 0);
  const auto before = files();
  const pid_t child = fork();
  if (child == 0) {
    const bool pinned = life.pin(map, path("child")) == 0 && life.unlink(path("m")) == 0;
    _exit(pinned && files() == before ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(files(), before);
}

}  // namespace
}  // namespace forager::syscall::testing
