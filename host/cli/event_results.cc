// SPDX-License-Identifier: Apache-2.0
#include "cli/event_results.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/btf_value.h"
#include "cli/event_fields.h"
#include "exec/event.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

Json signals_json(const exec::EventEffects& effects) {
  Json out = Json::array();
  for (const auto& signal : effects.signals) {
    out.push_back({{"signal", signal.number}, {"to", signal.thread ? "thread" : "process"}});
  }
  return out;
}

Json effects_json(const exec::Event& event) {
  const exec::EventEffects& effects = event.effects;
  Json out = Json::object();
  if (!effects.signals.empty()) out["signals"] = signals_json(effects);
  if (effects.override_return) out["override_return"] = static_cast<std::int64_t>(*effects.override_return);
  if (!effects.bound.empty()) out["bind"] = hex_text(effects.bound);
  if (effects.sysctl_replaced && event.sysctl) out["sysctl"] = event.sysctl->fresh;
  if (effects.option_bytes != 0) out["tcp_option_bytes"] = effects.option_bytes;
  return out;
}

}  // namespace

EventResults::EventResults(const isa::ProgTypeRow& type, std::span<const exec::Frame> frames) : type_(type) {
  before_.reserve(std::min(frames.size(), kKept));
  for (const exec::Frame& frame : frames.first(std::min(frames.size(), kKept))) {
    before_.push_back({frame.context, frame.event != nullptr ? frame.event->retval : 0});
  }
}

void EventResults::add(const exec::Frame& frame, RunResult& result) {
  if (frame.id < before_.size()) {
    result.event_results.push_back(describe(frame, before_[frame.id]));
  } else {
    ++result.event_results_left_out;
  }
}

Json EventResults::describe(const exec::Frame& frame, const Before& before) const {
  const auto value = static_cast<std::uint32_t>(frame.return_value);
  Json out = {{"event", frame.id}, {"value", value}};
  if (const auto name = isa::return_name(type_.type, value); !name.empty()) out["verdict"] = name;
  if (frame.results().trap != nullptr) out["stopped"] = frame.results().trap->text();
  if (Json changed = changed_fields(*type_.context, before.context, frame.context); !changed.empty()) {
    out["context"] = std::move(changed);
  }
  if (frame.event == nullptr) return out;
  Json effects = effects_json(*frame.event);
  if (frame.event->retval != before.retval) effects["retval"] = frame.event->retval;
  if (!effects.empty()) out["effects"] = std::move(effects);
  return out;
}

std::string event_text(const Json& event) {
  std::string out = fmt::format("  {}: {}", event["event"].get<std::uint64_t>(), event["value"].get<std::uint64_t>());
  if (event.contains("verdict")) out += fmt::format(" ({})", event["verdict"].get<std::string>());
  for (const char* part : {"context", "effects"}) {
    if (!event.contains(part)) continue;
    for (const auto& [name, value] : event[part].items()) out += fmt::format(", {} {}", name, value.dump());
  }
  return out + (event.contains("stopped") ? ", stopped\n" : "\n");
}

}  // namespace forager::cli
