// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Words through which headers of any type may be read: checksums and hashes see memory, not fields. Without may_alias
// the compiler could move such a read before the store of a field.
#pragma once

#include <linux/types.h>

typedef __u16 __attribute__((may_alias)) u16_view;
typedef __u32 __attribute__((may_alias)) u32_view;
typedef __u64 __attribute__((may_alias)) u64_view;
