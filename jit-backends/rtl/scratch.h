// SPDX-License-Identifier: Apache-2.0
//
// Where things stand in the scratch of a call depth (128 bytes), which compiler and host agree on.
#pragma once

namespace forager::jit::rtl {

inline constexpr unsigned kArgumentScratch = 0;  // r1 to r5 of a helper
inline constexpr unsigned kSavedScratch = 64;    // r6 to r9 while a function runs

}  // namespace forager::jit::rtl
