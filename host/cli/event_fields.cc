// SPDX-License-Identifier: Apache-2.0
#include "cli/event_fields.h"

#include <charconv>
#include <cstring>

namespace forager::cli {
namespace strict {
namespace {

std::uint64_t parse_number(std::string_view digits, const std::string& where) {
  const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
  const std::string_view rest = digits.substr(hex ? 2 : 0);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, hex ? 16 : 10);
  if (error != std::errc{} || end != rest.data() + rest.size()) {
    bad(fmt::format("{}: \"{}\" is no number of at most 64 bits", where, digits));
  }
  return value;
}

}  // namespace

std::uint64_t wide_number(const Json& value, const std::string& where) {
  if (value.is_string()) return parse_number(value.get<std::string>(), where);
  if (!value.is_number_integer()) bad(where + " is no whole number");
  return value.is_number_unsigned() ? value.get<std::uint64_t>()
                                    : static_cast<std::uint64_t>(value.get<std::int64_t>());
}

std::uint64_t wide(const Json& object, const std::string& where, const char* name) {
  if (!object.contains(name)) bad(fmt::format("{} needs the number \"{}\"", where, name));
  return wide_number(object[name], fmt::format("\"{}\" of {}", name, where));
}

std::uint64_t wide_or(const Json& object, const std::string& where, const char* name, std::uint64_t otherwise) {
  return object.contains(name) ? wide(object, where, name) : otherwise;
}

std::vector<std::uint64_t> wide_list(const Json& object, const std::string& where, const char* name) {
  std::vector<std::uint64_t> out;
  if (!object.contains(name)) return out;
  if (!object[name].is_array()) bad(fmt::format("\"{}\" of {} is no list", name, where));
  for (const Json& value : object[name]) out.push_back(wide_number(value, fmt::format("\"{}\" of {}", name, where)));
  return out;
}

bool flag(const Json& object, const std::string& where, const char* name) {
  if (!object.contains(name)) return false;
  if (!object[name].is_boolean()) bad(fmt::format("\"{}\" of {} is neither true nor false", name, where));
  return object[name];
}

std::vector<std::byte> to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace strict

namespace {

using namespace strict;  // NOLINT(google-build-using-namespace): the words that this file is written in

const isa::ContextField& field_of(const isa::ContextRow& context, const std::string& name) {
  const auto field = std::ranges::find(context.fields, name, &isa::ContextField::name);
  if (field == context.fields.end()) bad(fmt::format("context {} has no field \"{}\"", context.name, name));
  if (field->kind != isa::FieldKind::scalar) {
    bad(fmt::format("field \"{}\" of context {} is a pointer, which is made from the event", name, context.name));
  }
  if (field->offset + field->size > exec::kMaxContextBytes) {
    bad(fmt::format("context {} is given as \"data\"", context.name));
  }
  return *field;
}

// Negative numbers of a narrow field are those of its own width.
void put_number(const Json& value, const isa::ContextField& field, std::byte* at) {
  const std::string where = fmt::format("field \"{}\"", field.name);
  const std::uint64_t number = wide_number(value, where);
  const unsigned bits = 8U * field.element;
  const bool fits = bits == 64 || number >> bits == 0 || (value.is_number() && ~number >> (bits - 1) == 0);
  if (!fits) bad(fmt::format("{}: {} does not fit {} bits", where, value.dump(), bits));
  std::memcpy(at, &number, field.element);
}

// An IP address in a field of its size.
bool put_address(const Json& value, const isa::ContextField& field, std::byte* at) {
  if (!value.is_string() || (field.size != 4 && field.size != 16)) return false;
  const int family = field.size == 4 ? AF_INET : AF_INET6;
  return ::inet_pton(family, value.get<std::string>().c_str(), at) == 1;
}

void put_field(const Json& value, const isa::ContextField& field, std::byte* at) {
  if (put_address(value, field, at)) return;
  if (!value.is_array()) return put_number(value, field, at);
  if (value.size() > field.size / field.element) bad(fmt::format("field \"{}\" has fewer elements", field.name));
  for (const Json& element : value) {
    put_number(element, field, at);
    at += field.element;
  }
}

nlohmann::ordered_json field_json(const isa::ContextField& field, const std::byte* at) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < field.size; i += field.element) {
    std::uint64_t number = 0;
    std::memcpy(&number, at + i, field.element);
    out.push_back(number);
  }
  return out.size() == 1 ? out[0] : out;
}

}  // namespace

void fill_context(const Json& fields, const isa::ContextRow& context, exec::Frame& frame) {
  if (fields.is_string()) {
    const std::string raw = bytes(Json{{"context", fields}}, "the event", "context");
    const std::size_t room = std::min<std::size_t>(context.size, frame.context.size());
    if (raw.size() > room) bad(fmt::format("\"context\" has {} bytes, {} at most {}", raw.size(), context.name, room));
    std::memcpy(frame.context.data(), raw.data(), raw.size());
    return;
  }
  if (!fields.is_object()) bad("\"context\" is neither an object nor hex bytes");
  for (const auto& [name, value] : fields.items()) {
    const isa::ContextField& field = field_of(context, name);
    put_field(value, field, frame.context.data() + field.offset);
  }
}

nlohmann::ordered_json changed_fields(const isa::ContextRow& context,
                                      const std::array<std::byte, exec::kMaxContextBytes>& before,
                                      const std::array<std::byte, exec::kMaxContextBytes>& after) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const isa::ContextField& field : context.fields) {
    if (field.kind != isa::FieldKind::scalar || field.offset + field.size > after.size()) continue;
    if (std::memcmp(before.data() + field.offset, after.data() + field.offset, field.size) == 0) continue;
    out[std::string(field.name)] = field_json(field, after.data() + field.offset);
  }
  return out;
}

}  // namespace forager::cli
