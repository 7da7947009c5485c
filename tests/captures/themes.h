// SPDX-License-Identifier: Apache-2.0
//
// The captures: each theme is a function that gives its frames in order, the same ones every time.
#pragma once

#include <vector>

#include "tests/captures/packet.h"

namespace forager::captures {

using Frames = std::vector<Bytes>;

inline void append(Frames& frames, const Frames& more) { frames.insert(frames.end(), more.begin(), more.end()); }

[[nodiscard]] Frames mixed();     // everything that parsers meet, of at least 14 bytes
[[nodiscard]] Frames firewall();  // conversations between inside and outside, and uninvited guests
[[nodiscard]] Frames router();    // each kind of route
[[nodiscard]] Frames lb();        // connections to virtual services
[[nodiscard]] Frames tunnel();    // services behind tunnels, and others
[[nodiscard]] Frames nat();       // translated endpoints, and others
[[nodiscard]] Frames vlan();      // a trunk of several VLANs
[[nodiscard]] Frames large();     // up to 1,514 bytes, and some of 3,400
[[nodiscard]] Frames jumbo();     // of one buffer and of several, up to 17 fragments
[[nodiscard]] Frames tiny();      // 0 to 20 bytes
[[nodiscard]] Frames imix();      // the Internet mix: 28 of 64 bytes, 16 of 570, 4 of 1,518, frame check included
[[nodiscard]] Frames full();      // of 1,514 bytes
[[nodiscard]] Frames tlv();       // lists of options in UDP packets, some spoilt
[[nodiscard]] Frames policy();    // requests from and to the networks of an access list

}  // namespace forager::captures
