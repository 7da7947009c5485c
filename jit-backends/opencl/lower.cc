// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "exec/blockers.h"
#include "jit-backends/common/passes/passes.h"
#include "jit-backends/opencl/refusals.h"
#include "jit-backends/opencl/rules.h"
#include "jit-backends/opencl/structure.h"

namespace forager::jit::opencl {
namespace {

constexpr unsigned kShortExit = 3;  // steps
constexpr const char* kIndent = "  ";

class Lowering {
 public:
  Lowering(const Member& member, const std::vector<Table>& tables, std::string prefix)
      : code_(member.code),
        program_(member.program->program()),
        rules_(member.code, tables, member.numbers, std::move(prefix)),
        depth_(program_.subprograms().size(), 0) {}

  Text run() {
    find_depths();
    text_.add(fmt::format("// Program {}: {} instructions.", program_.name(), program_.instructions().size()));
    for (std::uint32_t i = 0; i < program_.subprograms().size(); ++i) {
      if (is_there(i)) text_.add(signature(i) + ";");
    }
    put_loops();
    for (std::uint32_t i = 0; i < program_.subprograms().size(); ++i) {
      if (is_there(i)) put_function(i);
    }
    text_.add("");
    return std::move(text_);
  }

  [[nodiscard]] unsigned stack_bytes() const { return depth_.front() * isa::kStackBytes; }
  [[nodiscard]] unsigned switched() const { return switched_; }
  // The program for one packet.
  [[nodiscard]] std::string call() const {
    const bool raw = program_.type() == isa::ProgType::raw_memory;
    return fmt::format("{}(run, {}, {}, 0, 0, 0)", rules_.function_name(0), isa::kStackBytes,
                       raw ? "run->end == run->data ? 0 : run->packet + run->data, run->end - run->data"
                           : "FG_POINTER(FG_CONTEXT, 0), 0");
  }

 private:
  [[nodiscard]] bool is_there(std::uint32_t subprogram) const {
    return code_.facts(program_.subprograms()[subprogram].begin).reachable;
  }

  // Frames that a function's calls need at the most, its own included; refusals.cc knows that there is an end.
  void find_depths() {
    std::ranges::fill(depth_, 1);
    bool changed = true;
    while (changed) {
      changed = false;
      for (std::uint32_t at = 0; at < code_.steps.size(); ++at) {
        if (!names_function(at)) continue;
        const std::uint32_t from = program_.subprogram_of(at), to = program_.subprogram_of(code_.steps[at].target);
        if (depth_[from] > depth_[to]) continue;
        depth_[from] = depth_[to] + 1;
        changed = true;
      }
    }
  }

  [[nodiscard]] bool names_function(std::uint32_t at) const {
    return code_.steps[at].kind == Kind::call_function || code_.steps[at].kind == Kind::function;
  }

  // ---- functions ----

  // What bpf_loop() goes through, of all whose address is taken.
  void put_loops() {
    std::set<std::uint32_t> callbacks;
    for (const Step& step : code_.steps) {
      if (step.kind == Kind::function) callbacks.insert(program_.subprogram_of(step.target));
    }
    for (const std::uint32_t one : callbacks) {
      if (is_there(one)) text_.add(fmt::format("FG_LOOP({}, {})", rules_.loop_name(one), rules_.function_name(one)));
    }
  }

  [[nodiscard]] std::string signature(std::uint32_t index) const {
    return fmt::format("static ulong {}(fg_run* run, uint top, ulong r1, ulong r2, ulong r3, ulong r4, ulong r5)",
                       rules_.function_name(index));
  }

  void put_function(std::uint32_t index) {
    const Graph graph(code_, index);
    Structured body = structured(graph, writer());
    switched_ += body.switched ? 1 : 0;
    text_.add("");
    text_.open(signature(index) + " {");
    text_.add(fmt::format("__private uchar* const frame = run->stack + (top - {});", isa::kStackBytes));
    text_.add("const ulong r10 = FG_POINTER(FG_STACK, top);");
    if (const std::string locals = registers(index); !locals.empty()) text_.add(locals);
    if (body.uses_to) text_.add("uint to = 0;  // the block that is next");
    const Cleared& cleared = code_.cleared[index];
    if (cleared.end != 0) {
      text_.add(
          fmt::format("for (uint i = {}; i < {}; i += 8) fg_store64_stack(frame + i, 0);", cleared.begin, cleared.end));
    }
    text_.append(std::move(body.text));
    text_.close();
  }

  [[nodiscard]] std::string registers(std::uint32_t index) const {
    const program::Subprogram& of = program_.subprograms()[index];
    unsigned used = 0;
    for (std::uint32_t at = of.begin; at < of.end; ++at) used |= reads_of(code_.steps[at]) | writes_of(code_.steps[at]);
    std::string names;
    for (const unsigned number : {0U, 6U, 7U, 8U, 9U}) {
      if ((used >> number & 1) != 0) names += fmt::format("{}r{} = 0", names.empty() ? "ulong " : ", ", number);
    }
    return names.empty() ? names : names + ";";
  }

  [[nodiscard]] BlockWriter writer() {
    return {.body = [this](Text& text, std::uint32_t block) { put_block(text, block); },
            .condition = [this](std::uint32_t block,
                                bool inverted) { return rules_.condition(program_.blocks()[block].end - 1, inverted); },
            .is_short_exit = [this](std::uint32_t block) { return is_short_exit(block); }};
  }

  void put_block(Text& text, std::uint32_t number) {
    const program::Block& block = program_.blocks()[number];
    for (std::uint32_t at = block.begin; at < block.end; ++at) rules_.put(text, at);
  }

  [[nodiscard]] bool is_short_exit(std::uint32_t number) const {
    const program::Block& block = program_.blocks()[number];
    if (code_.steps[block.end - 1].kind != Kind::exit) return false;
    unsigned steps = 0;
    for (std::uint32_t at = block.begin; at < block.end; ++at) steps += code_.steps[at].kind != Kind::none ? 1 : 0;
    return steps <= kShortExit;
  }

  const Code& code_;
  const program::Program& program_;
  Rules rules_;
  Text text_;
  unsigned switched_ = 0;
  std::vector<unsigned> depth_;  // by subprogram
};

// ---- the kernel ----------------------------------------------------------------------------------------------------

// What the functions of cl/ are told of a table.
std::string kind_text(const Table& table) {
  const std::string lru = table.lru ? "FG_LRU" : "";
  if (!table.per_cpu) return table.lru ? lru : "0u";
  return table.lru ? lru + " | FG_PERCPU" : "FG_PERCPU";
}
std::string parameters(const Table& table, std::size_t number) {
  switch (table.kind) {
    case TableKind::array:
      return fmt::format("FG_PLACE({}), {}u, {}u, {}u", number, table.value_size, table.stride(), table.entries);
    case TableKind::hash:
    case TableKind::inner_hash:
      return fmt::format("FG_PLACE({}), {}u, {}u, {}u, {}u, {}u, {}", number, table.key_size, table.value_size,
                         table.entries, table.mask, table.nodes, kind_text(table));
    case TableKind::lpm:
      return fmt::format("FG_PLACE({}), {}u, {}u", number, table.key_size, table.index_bits);
    case TableKind::list:
      return fmt::format("FG_PLACE({}), {}u, {}u, {}", number, table.value_size, table.entries, table.newest);
    case TableKind::bloom:
      return fmt::format("FG_PLACE({}), {}u", number, table.value_size);
    default:
      return fmt::format("FG_PLACE({}), {}u", number, table.entries);
  }
}

class KernelMaker {
 public:
  explicit KernelMaker(std::span<const Member> members) : members_(members) {}

  KernelSource run() {
    find_tables();
    std::vector<Text> functions;
    std::vector<std::string> calls;
    unsigned stack_bytes = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      Lowering lowering(members_[i], made_.tables, members_.size() == 1 ? "" : fmt::format("program{}_", i));
      functions.push_back(lowering.run());
      calls.push_back(lowering.call());
      stack_bytes = std::max(stack_bytes, lowering.stack_bytes());
      made_.switched += lowering.switched();
      made_.programs.push_back(members_[i].program);
    }
    Text head;
    head.add(fmt::format("#define FG_STACK_BYTES {}u", stack_bytes));
    put_maps(head);
    render(head, 0);
    for (std::uint32_t i = 0; i < functions.size(); ++i) render(functions[i], i);
    Text kernel;
    put_kernel(kernel, calls);
    render(kernel, 0);
    return std::move(made_);
  }

 private:
  void find_tables() {
    for (const Member& member : members_) {
      const std::vector<Table> tables = tables_of(*member.program);
      for (std::size_t map = 0; map < tables.size(); ++map) {
        const std::uint32_t number = member.numbers[map];
        if (number >= made_.tables.size()) made_.tables.resize(number + 1);
        if (number >= specs_.size()) specs_.resize(number + 1);
        if (tables[map].kind != TableKind::none) made_.tables[number] = tables[map];
        specs_[number] = &member.program->program().maps()[map];
      }
    }
  }

  void put_maps(Text& text) const {
    for (std::size_t number = 0; number < made_.tables.size(); ++number) {
      const program::MapSpec& map = *specs_[number];
      const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(map.type));
      text.add(fmt::format("// map {}: {}, {} entries, keys of {} bytes, values of {}", map.name,
                           row == nullptr ? "?" : row->name, map.max_entries, map.key_size, map.value_size));
      const Table& table = made_.tables[number];
      if (table.kind != TableKind::none) text.add(fmt::format("#define MAP_{} {}", number, parameters(table, number)));
    }
    text.add("");
  }

  void put_kernel(Text& text, const std::vector<std::string>& calls) const {
    text.add("__kernel __attribute__((reqd_work_group_size(FG_GROUP, 1, 1)))");
    text.open("void forager(FG_ARGUMENTS) {");
    text.add("const fg_space space = FG_OPEN;");
    text.add("const uint lane = get_global_id(0);");
    text.add("if (lane >= space.batch->lanes) return;");
    text.add("ulong stack[FG_STACK_BYTES / 8];");
    text.add(fmt::format("fg_retired retired[{}];", std::max<std::size_t>(made_.tables.size(), 1)));
    text.add("fg_run own;");
    text.add("fg_run* const run = &own;");
    text.add(
        fmt::format("fg_open_lane(run, &space, lane, (__private uchar*)stack, retired, {}u);", made_.tables.size()));
    text.open("for (uint at = space.begins[lane]; at < space.begins[lane + 1]; ++at) {");
    text.add("if (run->control->stop != 0) break;  // races: sooner or later is the same");
    text.add("const uint number = space.order == 0 ? at : space.order[at];");
    text.add("fg_begin(run, &space, number);");
    text.add(fmt::format("ulong r0 = {};", calls.front()));
    if (has_tail_calls()) put_tail_calls(text, calls);
    const bool raw = members_.front().program->program().type() == isa::ProgType::raw_memory;
    text.add(fmt::format("fg_end(run, &space, number, {}r0);", raw ? "" : "(uint)"));
    for (std::size_t i = 0; i < made_.tables.size(); ++i) {
      if (made_.tables[i].kind == TableKind::hash) text.add(fmt::format("fg_hash_rest(&retired[{0}], MAP_{0});", i));
    }
    text.close();
    text.add("space.random[lane] = run->random;");
    text.close();
  }

  [[nodiscard]] bool has_tail_calls() const {
    return std::ranges::any_of(made_.tables, [](const Table& table) { return table.kind == TableKind::programs; });
  }

  static void put_tail_calls(Text& text, const std::vector<std::string>& calls) {
    text.open("while (run->tail != 0) {");
    text.add("const uint program = run->tail;");
    text.add("run->tail = 0;");
    text.open("switch (program) {");
    for (std::size_t i = 0; i < calls.size(); ++i) {
      text.add(fmt::format("case {}: r0 = {}; break;", i + 1, calls[i]));
    }
    text.close();
    text.close();
  }

  // Names and C lines that stand in comments are anybody's: what would end a line, or join it to the next one
  // (trigraphs do too), is something else here.
  static std::string one_line(std::string text) {
    constexpr std::string_view kBackslash = "?\?/";
    for (auto at = text.find(kBackslash); at != std::string::npos; at = text.find(kBackslash)) text[at + 2] = '?';
    std::ranges::replace_if(text, [](unsigned char c) { return c == '\\' || c < ' '; }, ' ');
    return text;
  }

  void render(const Text& text, std::uint32_t program) {
    for (const Line& line : text.lines()) {
      const bool directive = line.text.starts_with('#');
      for (unsigned i = 0; i < line.depth && !directive && !line.text.empty(); ++i) made_.text += kIndent;
      made_.text += one_line(line.text) + "\n";
      made_.origins.push_back({program, line.instruction});
    }
  }

  std::span<const Member> members_;
  std::vector<const program::MapSpec*> specs_;  // by map of the kernel
  KernelSource made_;
};

}  // namespace

KernelSource lower_to_c(std::span<const Member> members) { return KernelMaker(members).run(); }

Result<Code> code_of(const verifier::VerifiedProgram& program, const exec::CompileOptions& options) {
  exec::Capabilities able = abilities();
  able.map_types.set();  // refuse_unsupported() judges those that instructions name
  auto found = exec::blockers(program, able);
  if (!found.empty()) return std::unexpected(std::move(found.front()));
  if (auto taken = refuse_unsupported(program); !taken) return std::unexpected(std::move(taken.error()));
  // Lookups of other maps than arrays stay calls.
  std::vector<bool> called;
  for (const program::MapSpec& map : program.program().maps()) {
    called.push_back(table_of(map).value_or(Table{}).kind != TableKind::array);
  }
  return optimised(program, options, std::move(called));
}

Result<std::shared_ptr<const OpenclImage>> compile(const VerifiedRef& program, const exec::CompileOptions& options) {
  auto code = code_of(*program, options);
  if (!code) return std::unexpected(std::move(code.error()));
  Member member{.program = program, .code = std::move(*code)};
  member.numbers.resize(program->program().maps().size());
  std::iota(member.numbers.begin(), member.numbers.end(), 0U);
  return std::make_shared<const OpenclImage>(lower_to_c({&member, 1}), options);
}

}  // namespace forager::jit::opencl
