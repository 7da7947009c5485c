// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "bench/peers/contender.h"
#include "bench/peers/native_object.h"

namespace forager::bench {
namespace {

native_frame context_of(exec::Frame& frame) {
  const auto buffer = reinterpret_cast<unsigned long>(frame.buffer());
  return {.data = buffer + frame.data(),
          .data_end = buffer + frame.data_end(),
          .data_meta = buffer + frame.data(),
          .ingress_ifindex = 1,
          .rx_queue_index = 0,
          .egress_ifindex = 0,
          .first = buffer + exec::kFrameHeader,
          .last = buffer + frame.limit(),
          .tail_calls = 0};
}

class NativeContender final : public Contender {
 public:
  NativeContender(Stage stage, NativeObject object) : stage_(std::move(stage)), object_(std::move(object)) {
    object_.take_globals(stage_);
  }

  // One frame at a time, to see where each is redirected.
  Result<golden::Outcome> answers() override {
    std::vector<golden::FrameOutcome> outcomes;
    for (std::size_t at = 0; at < stage_.packets().size();) {
      std::vector<exec::Frame> frames = stage_.batch(at);
      for (exec::Frame& frame : frames) outcomes.push_back(answer(frame));
      at += frames.size();
    }
    object_.give_globals(stage_);
    return golden::outcome_of(std::move(outcomes), stage_.engine());
  }

  Result<double> count(Meter meter) override {
    std::uint64_t busy = 0;
    for (std::size_t at = 0; at < stage_.packets().size();) {
      std::vector<exec::Frame> frames = stage_.batch(at);
      busy += run(frames, meter);
      at += frames.size();
    }
    stage_.drain();
    return static_cast<double>(busy) / static_cast<double>(stage_.packets().size());
  }

  std::size_t code_bytes() const override { return object_.code_bytes(); }

 private:
  golden::FrameOutcome answer(exec::Frame& frame) {
    native_frame context = context_of(frame);
    object_.redirect() = 0;
    const int verdict = object_.program()(&context);
    return {.verdict = static_cast<std::uint32_t>(verdict),
            .redirect = object_.redirect(),
            .packet = {reinterpret_cast<const char*>(context.data), context.data_end - context.data}};
  }

  // What the JITs' device does around each frame is done around the program here too, or the empty program would cost
  // less than theirs and hide less of what a program waits for.
  std::uint64_t run(std::vector<exec::Frame>& frames, Meter meter) {
    const native_program program = object_.program();
    const std::uint64_t begin = meter();
    for (exec::Frame& frame : frames) {
      frame.clear_results();
      native_frame context = context_of(frame);
      const int verdict = program(&context);
      exec::set_results(frame, isa::ProgType::xdp, static_cast<std::uint32_t>(verdict), nullptr);
    }
    return meter() - begin;
  }

  Stage stage_;
  NativeObject object_;
};

}  // namespace

ContenderResult make_native_contender(const ExampleProgram& program) {
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(std::move(stage.error()));
  auto object = NativeObject::open(*stage);
  if (!object) return std::unexpected(std::move(object.error()));
  return std::make_unique<NativeContender>(std::move(*stage), std::move(*object));
}

}  // namespace forager::bench
