// SPDX-License-Identifier: Apache-2.0
#include "sim/ports/pcapng_writer.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace forager::sim {
namespace {

// Block types and option codes of the pcapng specification.
constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a, kInterface = 1, kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kOptComment = 1, kShbUserAppl = 4, kIfName = 2, kIfTsResol = 9, kEpbPacketId = 5,
                        kEpbVerdict = 7;
constexpr char kVerdictIsXdp = 2, kNanoseconds = 9;
constexpr std::uint16_t kEthernet = 1;

template <class T>
void append(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void pad(std::string& out) { out.append((4 - out.size() % 4) % 4, '\0'); }

void option(std::string& out, std::uint16_t code, std::string_view value) {
  append(out, code);
  append(out, static_cast<std::uint16_t>(value.size()));
  out += value;
  pad(out);
}

// A block is its type, its length, the body and the length again.
std::string block(std::uint32_t type, const std::string& body) {
  std::string out;
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  append(out, type);
  append(out, length);
  out += body;
  append(out, length);
  return out;
}

std::string section_header() {
  std::string body;
  append(body, kByteOrderMagic);
  append(body, std::uint16_t{1});  // version 1.0
  append(body, std::uint16_t{0});
  append(body, std::int64_t{-1});  // section length not given
  option(body, kShbUserAppl, "forager");
  append(body, std::uint32_t{0});  // end of options
  return block(kSectionHeader, body);
}

std::string interface_description(std::string_view name) {
  std::string body;
  append(body, kEthernet);
  append(body, std::uint16_t{0});
  append(body, std::uint32_t{0});  // no snapshot limit
  option(body, kIfName, name);
  option(body, kIfTsResol, {&kNanoseconds, 1});
  append(body, std::uint32_t{0});
  return block(kInterface, body);
}

std::string enhanced_packet(const EgressPacket& packet, std::uint32_t interface) {
  std::string body;
  append(body, interface);
  append(body, static_cast<std::uint32_t>(packet.timestamp_ns >> 32));
  append(body, static_cast<std::uint32_t>(packet.timestamp_ns));
  append(body, static_cast<std::uint32_t>(packet.bytes.size()));
  append(body, static_cast<std::uint32_t>(packet.bytes.size()));
  body.append(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
  pad(body);
  option(body, kOptComment, fmt::format("verdict={} port={} packet={}", packet.verdict_name, packet.port, packet.id));
  std::string value;
  append(value, packet.id);
  option(body, kEpbPacketId, value);
  value.assign(1, kVerdictIsXdp);
  append(value, std::uint64_t{packet.verdict});
  option(body, kEpbVerdict, value);
  append(body, std::uint32_t{0});
  return block(kEnhancedPacket, body);
}

// A file that exists and is no regular one is written in place: renaming would replace the device or pipe.
bool written_straight(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

}  // namespace

PcapngWriter::PcapngWriter(std::string path, std::string temporary, std::unique_ptr<std::FILE, Close> file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

PcapngWriter::~PcapngWriter() {
  if (file_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<PcapngWriter> PcapngWriter::create(const std::string& path) {
  const std::string temporary = written_straight(path) ? "" : fmt::format("{}.{}.tmp", path, ::getpid());
  std::unique_ptr<std::FILE, Close> file(std::fopen((temporary.empty() ? path : temporary).c_str(), "wbe"));
  if (!file) return fail(ErrorKind::input, errno, fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
  PcapngWriter writer(path, temporary, std::move(file));
  writer.put(section_header());
  return writer;
}

void PcapngWriter::put(std::string_view block_bytes) {
  // A failed write sets the stream's error flag, which finish() reports.
  std::fwrite(block_bytes.data(), 1, block_bytes.size(), file_.get());
}

std::uint32_t PcapngWriter::interface_of(std::string_view port) {
  if (const auto known = interfaces_.find(port); known != interfaces_.end()) return known->second;
  put(interface_description(port));
  const auto id = static_cast<std::uint32_t>(interfaces_.size());
  interfaces_.emplace(port, id);
  return id;
}

void PcapngWriter::write(const EgressPacket& packet) {
  const std::uint32_t interface = interface_of(packet.port);
  put(enhanced_packet(packet, interface));
  ++packets_;
}

Result<> PcapngWriter::finish() {
  const bool bad = std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0;
  int error = bad ? (errno != 0 ? errno : EIO) : 0;
  if (error == 0 && !temporary_.empty() && std::rename(temporary_.c_str(), path_.c_str()) != 0) error = errno;
  if (error != 0)
    return fail(ErrorKind::input, error, fmt::format("{}: cannot write: {}", path_, std::strerror(error)));
  file_.reset();
  return {};
}

}  // namespace forager::sim
