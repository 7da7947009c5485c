// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C: the first one asks the running verb to stop after the current batch, so that what was done so far is
// reported and written whole; the second one ends the process at once.
#pragma once

namespace forager::cli {

void catch_interrupts();
[[nodiscard]] bool interrupted();

}  // namespace forager::cli
