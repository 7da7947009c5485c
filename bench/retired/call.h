/* SPDX-License-Identifier: Apache-2.0
 *
 * How a program under qemu-user asks the plugin (plugin.c) how many of its instructions were executed: by a system call
 * that there is not, with the address of a 64-bit number. Where no plugin listens, the number stays as it was.
 *
 * Tested by: forager_retired, which refuses to go on where nobody answers.
 */
#pragma once

enum { RETIRED_CALL = 0x4001 };
