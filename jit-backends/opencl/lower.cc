// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/lower.h"

#include <fmt/format.h>

#include <algorithm>

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
  explicit Lowering(const Code& code)
      : code_(code),
        program_(code.program->program()),
        rules_(code, made_.tables),
        depth_(program_.subprograms().size(), 0) {
    made_.tables = tables_of(*code.program);
  }

  KernelSource run() {
    find_depths();
    text_.add(fmt::format("// Program {}: {} instructions.", program_.name(), program_.instructions().size()));
    put_maps();
    text_.add("");
    for (std::uint32_t i = 0; i < program_.subprograms().size(); ++i) {
      if (is_there(i)) text_.add(signature(i) + ";");
    }
    for (std::uint32_t i = 0; i < program_.subprograms().size(); ++i) {
      if (is_there(i)) put_function(i);
    }
    put_kernel();
    render();
    return std::move(made_);
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
        if (code_.steps[at].kind != Kind::call_function) continue;
        const std::uint32_t from = program_.subprogram_of(at), to = program_.subprogram_of(code_.steps[at].target);
        if (depth_[from] > depth_[to]) continue;
        depth_[from] = depth_[to] + 1;
        changed = true;
      }
    }
  }

  // ---- maps ----

  void put_maps() {
    text_.add(fmt::format("#define FG_STACK_BYTES {}u", depth_.front() * isa::kStackBytes));
    for (std::size_t i = 0; i < made_.tables.size(); ++i) {
      const Table& table = made_.tables[i];
      const program::MapSpec& map = program_.maps()[i];
      const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(map.type));
      text_.add(fmt::format("// map {}: {}, {} entries, keys of {} bytes, values of {}", map.name,
                            row == nullptr ? "?" : row->name, map.max_entries, map.key_size, map.value_size));
      if (table.kind != TableKind::none) text_.add(fmt::format("#define MAP_{} {}", i, parameters(table, i)));
    }
  }

  // What the functions of cl/ are told of a table.
  static std::string parameters(const Table& table, std::size_t index) {
    switch (table.kind) {
      case TableKind::array:
        return fmt::format("FG_PLACE({}), {}u, {}u, {}u", index, table.value_size, table.stride(), table.entries);
      case TableKind::hash:
        return fmt::format("FG_PLACE({}), {}u, {}u, {}u, {}u, {}u, {}", index, table.key_size, table.value_size,
                           table.entries, table.mask, table.nodes, kind_text(table));
      default:
        return fmt::format("FG_PLACE({}), {}u", index, table.entries);
    }
  }

  static std::string kind_text(const Table& table) {
    const std::string lru = table.lru ? "FG_LRU" : "";
    if (!table.per_cpu) return table.lru ? lru : "0u";
    return table.lru ? lru + " | FG_PERCPU" : "FG_PERCPU";
  }

  // ---- functions ----

  [[nodiscard]] std::string signature(std::uint32_t index) const {
    return fmt::format("static ulong {}(fg_run* run, uint top, ulong r1, ulong r2, ulong r3, ulong r4, ulong r5)",
                       rules_.function_name(index));
  }

  void put_function(std::uint32_t index) {
    const Graph graph(code_, index);
    Structured body = structured(graph, writer());
    made_.switched += body.switched ? 1 : 0;
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

  // ---- the kernel ----

  void put_kernel() {
    const bool raw = program_.type() == isa::ProgType::raw_memory;
    text_.add("");
    text_.add("__kernel __attribute__((reqd_work_group_size(FG_GROUP, 1, 1)))");
    text_.open("void forager(FG_ARGUMENTS) {");
    text_.add("const fg_space space = FG_OPEN;");
    text_.add("const uint lane = get_global_id(0);");
    text_.add("if (lane >= space.batch->lanes) return;");
    text_.add("ulong stack[FG_STACK_BYTES / 8];");
    text_.add(fmt::format("fg_retired retired[{}];", std::max<std::size_t>(made_.tables.size(), 1)));
    text_.add("fg_run own;");
    text_.add("fg_run* const run = &own;");
    text_.add(
        fmt::format("fg_open_lane(run, &space, lane, (__private uchar*)stack, retired, {}u);", made_.tables.size()));
    text_.open("for (uint at = space.begins[lane]; at < space.begins[lane + 1]; ++at) {");
    text_.add("if (run->control->stop != 0) break;");
    text_.add("__global fg_frame* const frame = &space.frames[space.order[at]];");
    text_.add("fg_begin(run, &space, frame);");
    const std::string first = raw ? "run->end == run->data ? 0 : run->packet + run->data, run->end - run->data"
                                  : "FG_POINTER(FG_CONTEXT, 0), 0";
    text_.add(
        fmt::format("fg_end(run, frame, {}(run, {}, {}, 0, 0, 0));", rules_.function_name(0), isa::kStackBytes, first));
    for (std::size_t i = 0; i < made_.tables.size(); ++i) {
      if (made_.tables[i].kind == TableKind::hash) text_.add(fmt::format("fg_hash_rest(&retired[{0}], MAP_{0});", i));
    }
    text_.close();
    text_.add("space.random[lane] = run->random;");
    text_.close();
  }

  void render() {
    for (const Line& line : text_.lines()) {
      const bool directive = line.text.starts_with('#');
      for (unsigned i = 0; i < line.depth && !directive && !line.text.empty(); ++i) made_.text += kIndent;
      made_.text += line.text + "\n";
      made_.instructions.push_back(line.instruction);
    }
  }

  const Code& code_;
  const program::Program& program_;
  KernelSource made_;
  Rules rules_;
  Text text_;
  std::vector<unsigned> depth_;  // by subprogram
};

}  // namespace

KernelSource lower_to_c(const Code& code) { return Lowering(code).run(); }

Result<std::shared_ptr<const OpenclImage>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                   const exec::CompileOptions& options) {
  exec::Capabilities able = abilities();
  able.map_types.set();  // refuse_unsupported() judges those that instructions name
  auto found = exec::blockers(*program, able);
  if (!found.empty()) return std::unexpected(std::move(found.front()));
  if (auto taken = refuse_unsupported(*program); !taken) return std::unexpected(std::move(taken.error()));
  // Lookups of other maps than arrays stay calls.
  std::vector<bool> called;
  for (const program::MapSpec& map : program->program().maps()) {
    called.push_back(table_of(map).value_or(Table{}).kind != TableKind::array);
  }
  auto code = optimised(*program, options, std::move(called));
  if (!code) return std::unexpected(std::move(code.error()));
  KernelSource source = lower_to_c(*code);
  return std::make_shared<const OpenclImage>(std::move(program), std::move(source));
}

}  // namespace forager::jit::opencl
