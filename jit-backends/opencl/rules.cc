// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "exec/skb.h"
#include "jit-backends/common/dispatch.h"
#include "program/text.h"

namespace forager::jit::opencl {
namespace {

// Names and operators of isa.def's rows, by Alu, Cond and Atomic.
struct RowText {
  std::string_view name, symbol;
};
constexpr RowText kAlu[] = {
#define FORAGER_ALU(name, mnemonic, code, offset, group, symbol, expr) {#name, symbol},
#include "isa/isa.def"
};
constexpr RowText kConds[] = {
#define FORAGER_JUMP(name, mnemonic, code, symbol, expr) {#name, symbol},
#include "isa/isa.def"
};
struct AtomicText {
  std::string_view name;
  bool fetch;
};
constexpr AtomicText kAtomics[] = {
#define FORAGER_ATOMIC(name, mnemonic, imm, fetch, symbol, expr) {#name, fetch},
#include "isa/isa.def"
};

std::string reg(unsigned number) { return fmt::format("r{}", number); }
std::string reg(unsigned number, unsigned width) { return width == 32 ? "(uint)" + reg(number) : reg(number); }

std::string literal(std::uint64_t value, unsigned width) {
  if (width == 32) value = static_cast<std::uint32_t>(value);
  const char* const suffix = width == 32 ? "u" : "ul";
  return value < 4096 ? fmt::format("{}{}", value, suffix) : fmt::format("{:#x}{}", value, suffix);
}

std::string operand(const Step& step) {
  return step.has_imm ? literal(step.imm, step.width) : reg(step.src, step.width);
}

// Operators that mean in C what they mean in the row; C's shifts do only where the amount is a constant below the
// width.
bool is_plain(const Step& step) {
  switch (step.alu) {
    case Alu::add:
    case Alu::sub:
    case Alu::mul:
    case Alu::bit_or:
    case Alu::bit_and:
    case Alu::bit_xor:
      return true;
    case Alu::lsh:
    case Alu::rsh:
      return step.has_imm && step.imm < step.width;
    default:
      return false;
  }
}

std::string plus(std::string base, std::int64_t offset) {
  if (offset == 0) return base;
  return fmt::format("{} {} {}", base, offset < 0 ? '-' : '+', offset < 0 ? -offset : offset);
}

std::string signed_text(const std::string& value, unsigned bytes, bool sign) {
  if (!sign) return value;
  constexpr const char* kTypes[] = {"", "char", "short", "", "int", "", "", "", "long"};
  return fmt::format("(ulong)(long)({}){}", kTypes[bytes], value);
}

}  // namespace

Rules::Rules(const Code& code, const std::vector<Table>& tables, const std::vector<std::uint32_t>& numbers,
             std::string prefix)
    : code_(code), program_(code.program->program()), tables_(tables), numbers_(numbers), prefix_(std::move(prefix)) {}

// ---- lines ---------------------------------------------------------------------------------------------------------

void Rules::put(Text& text, std::uint32_t at) {
  const Step& step = code_.steps[at];
  if (step.kind == Kind::none || step.kind == Kind::jump) return;
  text_ = &text;
  at_ = at;
  said_ = false;
  note_source(text, at);
  if (step.kind == Kind::branch) return text.add(comment(at), at);
  emit_by_rule(*this, step);
}

void Rules::note_source(Text& text, std::uint32_t at) {
  const std::string source = program_.source_line(at);
  if (source.empty() || source == last_source_) return;
  last_source_ = source;
  text.add("// ---- " + source, at);
}

std::string Rules::comment(std::uint32_t at) const {
  return fmt::format("// {}: {}", program_.instructions()[at].slot, program::to_text(program_, at));
}

void Rules::line(std::string code) {
  if (!std::exchange(said_, true)) code = fmt::format("{:<56} {}", code, comment(at_));
  text_->add(std::move(code), at_);
}

void Rules::assign(unsigned number, const std::string& value) { line(fmt::format("r{} = {};", number, value)); }

// refusals.cc lets no such program through.
void Rules::never(const Step&, std::string_view what) { line(fmt::format("#error {}", what)); }

std::string Rules::function_name(std::uint32_t subprogram) const {
  std::string name = program_.subprograms()[subprogram].name;
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return fmt::format("{}fn{}_{}", prefix_, subprogram, name);
}

std::string Rules::loop_name(std::uint32_t subprogram) const { return fmt::format("{}loop_fn{}", prefix_, subprogram); }

// ---- arithmetic ----------------------------------------------------------------------------------------------------

void Rules::alu(const Step& step) {
  const RowText& row = kAlu[static_cast<std::size_t>(step.alu)];
  if (step.alu == Alu::mov) return assign(step.dst, operand(step));
  if (!is_plain(step)) {
    return assign(step.dst,
                  fmt::format("isa_{}_{}({}, {})", row.name, step.width, reg(step.dst, step.width), operand(step)));
  }
  if (step.width == 64) return line(fmt::format("r{} {} {};", step.dst, row.symbol, operand(step)));
  const std::string_view op = row.symbol.substr(0, row.symbol.size() - 1);
  assign(step.dst, fmt::format("{} {} {}", reg(step.dst, 32), op, operand(step)));
}

void Rules::constant(const Step& step) { assign(step.dst, literal(step.imm, 64)); }

void Rules::extend(const Step& step) {
  assign(step.dst,
         fmt::format("isa_movsx{}{}({})", 8 * step.bytes, step.width == 32 ? "w" : "", reg(step.src, step.width)));
}

void Rules::truncate(const Step& step) {
  if (step.bytes == 8) return assign(step.dst, reg(step.src));
  constexpr const char* kTypes[] = {"", "uchar", "ushort", "", "uint"};
  assign(step.dst, fmt::format("({}){}", kTypes[step.bytes], reg(step.src)));
}

void Rules::negate(const Step& step) {
  assign(step.dst, fmt::format("isa_neg{}({})", step.width, reg(step.dst, step.width)));
}

void Rules::swap(const Step& step) { assign(step.dst, fmt::format("isa_swap{}({})", 8 * step.bytes, reg(step.dst))); }

void Rules::rotate(const Step& step) {
  assign(step.dst, fmt::format("rotate({}, {})", reg(step.src, step.width), literal(step.imm, step.width)));
}

void Rules::add_to(const Step& step) {
  assign(step.dst, fmt::format("{} + {}", reg(step.src, step.width), literal(step.imm, step.width)));
}

// ---- memory --------------------------------------------------------------------------------------------------------

namespace {
// As a number, or, of global memory, as what is added to a pointer: compilers see through that, and through nothing
// that was a number before it became a pointer.
std::string address_of(const Step& step, unsigned base, std::int32_t further, bool global = false) {
  std::string address = global ? fmt::format("FG_GLOBAL(r{})", base) : reg(base);
  if (step.index != kNoIndex) address += " + " + reg(step.index);
  return plus(std::move(address), std::int64_t{step.offset} + further);
}
std::string_view space_of(const verifier::AccessFact& access) {
  return access.region == verifier::Region::stack ? "stack" : "global";
}
}  // namespace

// Where the facts name the region, its memory; else FG_..._any finds it by the pointer's tag. Of a store of 16 bytes
// the facts are those of one of the two stores that it was.
std::string Rules::place(const Step& step, unsigned base, std::int32_t further) const {
  using verifier::Region;
  const verifier::AccessFact& access = code_.facts(at_).access;
  if (step.checked) return {};
  switch (access.region) {
    case Region::stack:
      if (access.frame == 0 && access.offset_min == access.offset_max && step.bytes <= 8)
        return fmt::format("frame + {}", access.offset_min);
      return fmt::format("run->stack + (uint)({})", address_of(step, base, further));
    case Region::packet:
    case Region::packet_meta:
    case Region::map_value:
    case Region::ring_record:
      return address_of(step, base, further, true);
    default:
      return {};
  }
}

void Rules::check(const Step& step, const std::string& address) {
  if (!step.checked) return;
  line(fmt::format("if (!fg_check(run, {}, {}, FG_STACK_BYTES, {})) return 0;", address, step.bytes, at_));
}

std::string Rules::loaded(const Step& step) {
  const std::string address = address_of(step, step.src, 0), at = place(step, step.src, 0);
  check(step, address);
  if (at.empty()) return fmt::format("fg_load{}_any(run, {})", 8 * step.bytes, address);
  return fmt::format("fg_load{}_{}({})", 8 * step.bytes, space_of(code_.facts(at_).access), at);
}

void Rules::load(const Step& step) {
  const std::string value = loaded(step);
  assign(step.dst, signed_text(value, step.bytes, step.sign));
}

void Rules::load_swapped(const Step& step) {
  const std::string value = loaded(step);
  assign(step.dst, fmt::format("isa_swap{}({})", 8 * step.bytes, value));
}

void Rules::store(const Step& step) {
  check(step, address_of(step, step.dst, 0));
  if (step.bytes == 16) {
    store_at(step, 8, 0, "0");
    return store_at(step, 8, 8, "0");
  }
  store_at(step, step.bytes, 0, step.has_imm ? literal(step.imm, 64) : reg(step.src));
}

void Rules::store_at(const Step& step, unsigned bytes, std::int32_t further, const std::string& value) {
  const std::string at = place(step, step.dst, further);
  if (at.empty())
    return line(fmt::format("fg_store{}_any(run, {}, {});", 8 * bytes, address_of(step, step.dst, further), value));
  line(fmt::format("fg_store{}_{}({}, {});", 8 * bytes, space_of(code_.facts(at_).access), at, value));
}

// With a known map, the device's atomic; fetching ones order all memory (RFC 9669 has them so in Linux's model).
void Rules::atomic(const Step& step) {
  const AtomicText& row = kAtomics[static_cast<std::size_t>(step.atomic)];
  std::string name(row.name);
  if (const auto fetch = name.find("fetch_"); fetch != std::string::npos) name.erase(fetch, 6);
  const std::string address = plus(reg(step.dst), step.offset);
  const bool compares = step.atomic == Atomic::atomic_cmpxchg;
  const std::string operands = reg(step.src) + (compares ? ", r0" : "");
  const unsigned bits = 8U * step.bytes;
  check(step, address);
  const bool shared = !step.checked && code_.facts(at_).access.region == verifier::Region::map_value;
  const std::string call = shared ? fmt::format("fg_{}{}((volatile __global {}*)({}), {})", name, bits,
                                                bits == 64 ? "ulong" : "uint", address, operands)
                                  : fmt::format("fg_{}{}_any(run, {}, {})", name, bits, address, operands);
  if (!row.fetch) return line(call + ";");
  if (shared) line("FG_FENCE();");
  assign(compares ? 0 : step.src, call);
  if (shared) line("FG_FENCE();");
}

void Rules::load_context(const Step& step) {
  const isa::ContextField* field = isa::find_field(*program_.context(), static_cast<std::uint32_t>(step.imm));
  if (field == nullptr) return never(step, "a field that the context has not");
  switch (field->kind) {
    case isa::FieldKind::packet:
      return assign(step.dst, "run->packet + run->data");
    case isa::FieldKind::packet_end:
      return assign(step.dst, "run->packet + run->end");
    case isa::FieldKind::packet_meta:
      return assign(step.dst, "run->packet + run->meta");
    default:
      if (exec::sees_skb(program_.type())) return assign(step.dst, signed_text(skb_field(step), step.bytes, step.sign));
      return assign(step.dst, fmt::format("run->{}", field->name));
  }
}

// A number like any other: whoever calls back knows the function (callbacks.h).
void Rules::function(const Step& step) { assign(step.dst, fmt::format("{}ul", program_.subprogram_of(step.target))); }

// ---- calls ---------------------------------------------------------------------------------------------------------

void Rules::call_function(const Step& step) {
  line(fmt::format("r0 = {}(run, top + {}, r1, r2, r3, r4, r5);", function_name(program_.subprogram_of(step.target)),
                   isa::kStackBytes));
  line("if (run->trap != 0) return 0;");
}

void Rules::exit(const Step&) { line("return r0;"); }

std::string Rules::condition(std::uint32_t at, bool inverted) const {
  const Step& step = code_.steps[at];
  std::string_view op = kConds[static_cast<std::size_t>(step.cond)].symbol;
  const bool is_signed = op.starts_with('s');
  if (is_signed) op.remove_prefix(1);
  const std::string type = !is_signed ? "" : step.width == 32 ? "(int)" : "(long)";
  const std::string left = type + reg(step.dst, step.width), right = type + operand(step);
  if (op == "&") return fmt::format("({} & {}) {} 0", left, right, inverted ? "==" : "!=");
  const std::string text = fmt::format("{} {} {}", left, op, right);
  return inverted ? fmt::format("!({})", text) : text;
}

}  // namespace forager::jit::opencl
