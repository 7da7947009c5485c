// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace forager::jit::linux_kernel {

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<__u16>(NLM_F_REQUEST | NLM_F_ACK | flags);
  append(&header, sizeof(header));
}

void NetlinkRequest::append(const void* data, std::size_t size) {
  const std::size_t at = bytes_.size();
  bytes_.resize(at + NLMSG_ALIGN(size));
  if (size != 0) std::memcpy(bytes_.data() + at, data, size);
}

NetlinkRequest& NetlinkRequest::put(std::uint16_t attribute, const void* data, std::size_t size) {
  rtattr header{};
  header.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  header.rta_type = attribute;
  append(&header, sizeof(header));
  append(data, size);
  return *this;
}

std::size_t NetlinkRequest::open_nest(std::uint16_t attribute) {
  const std::size_t nest = bytes_.size();
  put(attribute, nullptr, 0);
  return nest;
}

void NetlinkRequest::close_nest(std::size_t nest) {
  const auto size = static_cast<unsigned short>(bytes_.size() - nest);
  std::memcpy(bytes_.data() + nest + offsetof(rtattr, rta_len), &size, sizeof(size));
}

std::span<const std::byte> NetlinkRequest::finish(std::uint32_t sequence) {
  const auto size = static_cast<__u32>(bytes_.size());
  std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &size, sizeof(size));
  std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof(sequence));
  return bytes_;
}

int NetlinkSocket::open() {
  fd_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  return fd_ ? 0 : -errno;
}

int NetlinkSocket::send(NetlinkRequest& request) {
  const auto bytes = request.finish(++sequence_);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent =
      sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  return sent < 0 ? -errno : answer();
}

// A request without dumps has one answer: NLMSG_ERROR, whose error is 0 for yes. It repeats the request after that,
// which may be cut off here.
int NetlinkSocket::answer() const {
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } reply{};
  const ssize_t got = recv(fd_.get(), &reply, sizeof(reply), 0);
  if (got < 0) return -errno;
  const bool whole = static_cast<std::size_t>(got) >= sizeof(reply.header) + sizeof(reply.error.error);
  if (!whole || reply.header.nlmsg_type != NLMSG_ERROR || reply.header.nlmsg_seq != sequence_) return -EPROTO;
  return reply.error.error;
}

}  // namespace forager::jit::linux_kernel
