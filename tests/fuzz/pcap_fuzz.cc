// SPDX-License-Identifier: Apache-2.0
//
// Any file given as a capture: packets within bounds, or a one-line error that names it.
#include <cstdlib>

#include "exec/frame.h"
#include "sim/ports/pcap_reader.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const forager::fuzz::MemoryFile file(data, size);
  auto packets = forager::sim::read_capture(file.path());
  if (!packets) {
    const std::string text = packets.error().text();
    if (text.find(file.path()) == std::string::npos || text.find('\n') != std::string::npos) std::abort();
    return 0;
  }
  for (const auto& packet : *packets) {
    if (packet.bytes.size() > forager::exec::kMaxPacketBytes) std::abort();
    if (!forager::exec::Frame::make(packet.bytes)) std::abort();
  }
  return 0;
}
