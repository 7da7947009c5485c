// SPDX-License-Identifier: Apache-2.0
//
// HASH, LRU_HASH, PERCPU_HASH, LRU_PERCPU_HASH: open addressing, by any number of work-items at once. None waits for
// another; jit-backends/opencl/tables.h has the layout.
//
// A slot is a word of 64 bits: the number of a node, FG_LIVE if its key is there, FG_DIRTY if it was changed since the
// host looked, and above, how often it was changed: so a word that is read twice alike stood there meanwhile, and its
// node's key with it, though nodes are used again. A slot that has a node once keeps that node's key until the host makes the table anew: who deletes a key
// takes FG_LIVE away, who inserts it again finds the slot. So two that insert one key meet in the same slot, the first
// that is empty on the key's way, and one compare-and-exchange decides. An update of a key that is there puts a node
// with the new value in the slot: a reader has the old value or the new one, whole. The old node is used again once the
// packet is through (as Linux's preallocated maps do, a pointer that another CPU still holds leads to another value
// then).
//
// Nodes that are out of use stand in a stack whose head counts its changes, so that an exchange of a head that came
// back fails. Where few are left, packets stop, and the host makes the table anew.
//
// Words that others change meanwhile are read as they are, where an exchange decides afterwards, or a second reading;
// such lines say so ("races:", which tests/tools/oclgrind.sh asks for).
//
// Every slot that became dirty is written down once. Of LRU maps, entries that were used are too, and, where packets have
// their effects in order, every change: the host does the same in the same order, and drops the keys that it would have
// dropped.

#define FG_LIVE (1ul << 32)
#define FG_DIRTY (1ul << 33)
#define FG_CHANGE (1ul << 34)
#define FG_NODE(word) ((uint)(word))
#define FG_LOG_USE 0x80000000u
#define FG_LOG_DELETE 0x40000000u

#define FG_LRU 1u
#define FG_PERCPU 2u

#define FG_HASH ulong table, uint key_size, uint value_size, uint entries, uint mask, uint nodes, uint kind
#define FG_HASH_ARGUMENTS table, key_size, value_size, entries, mask, nodes, kind
#define FG_WORDS(bytes) (((bytes) + 7u) & ~7u)

typedef volatile __global uint fg_word;
typedef volatile __global ulong fg_long;
#define FG_WORD(offset) ((fg_word*)(table + (offset)))
#define FG_USED FG_WORD(0)       // entries
#define FG_FRESH FG_WORD(4)      // nodes that were in use ever
#define FG_FREE ((fg_long*)(table + 8))  // the stack: its changes above, the first node below
#define FG_LEFT FG_WORD(16)      // nodes that are out of use
#define FG_LOGGED FG_WORD(20)    // entries of the log
#define FG_SLOTS_AT 64u
#define FG_SLOT(number) ((fg_long*)(table + FG_SLOTS_AT + 8ul * (number)))
#define FG_LOG_AT (FG_SLOTS_AT + 8ul * (mask + 1ul))
#define FG_NODES_AT (FG_LOG_AT + 8ul * (mask + 1ul))
#define FG_KEY_AT 24u

// Of a node: where its value stands, from run->maps; of per-CPU maps, how far apart the lanes' values are; the next
// node of a stack; whether its entry was used, and whether it was filled since the host looked.
#define FG_NODE_VALUE(node) ((fg_long*)(node))
#define FG_NODE_STRIDE(node) ((fg_long*)((node) + 8))
#define FG_NODE_NEXT(node) ((fg_word*)((node) + 16))
#define FG_NODE_USE(node) ((fg_word*)((node) + 20))
#define FG_WAS_USED 1u
#define FG_IS_NEW 2u

static uint fg_copies(uint kind) { return (kind & FG_PERCPU) != 0 ? FG_LANES : 1; }

static ulong fg_node_at(FG_HASH, uint node) {
  const uint bytes = FG_KEY_AT + FG_WORDS(key_size) + FG_WORDS(value_size) * fg_copies(kind);
  return table + FG_NODES_AT + (ulong)(node - 1) * bytes;
}

static ulong fg_value_at(fg_run* run, uint kind, ulong node) {
  const ulong at = run->maps + *FG_NODE_VALUE(node);  // races: a node that is another key's by now, as in Linux
  if ((kind & FG_PERCPU) == 0) return at;
  return at + run->lane * *FG_NODE_STRIDE(node);  // races: the same
}

static void fg_hash_log(fg_run* run, FG_HASH, uint what) {
  const uint at = atomic_inc(FG_LOGGED), most = 2 * (mask + 1);
  if (at < most) *FG_WORD(FG_LOG_AT + 4ul * at) = what;
  if (at > most / 2) fg_stop(run);
}

// ---- keys ----

static ulong fg_key_word(fg_run* run, ulong key, uint key_size, uint at) {
  if (at + 8 <= key_size) return fg_load64_any(run, key + at);
  ulong word = 0;
  for (uint i = 0; at + i < key_size; ++i) word |= fg_load8_any(run, key + at + i) << (8 * i);
  return word;
}

static uint fg_hash_of(fg_run* run, ulong key, uint key_size) {
  ulong hash = 0x2545f4914f6cdd1dul;
  for (uint at = 0; at < key_size; at += 8) {
    hash = (hash ^ fg_key_word(run, key, key_size, at)) * 0x9e3779b97f4a7c15ul;
    hash ^= hash >> 32;
  }
  return (uint)hash;
}

// Of nodes: keys and the values that they begin with.
static ulong fg_node_word(ulong at) { return *(fg_long*)at; }  // races: the slot is read again where keys differ
static void fg_put_node_word(ulong at, ulong word) { *(fg_long*)at = word; }  // races: as above

static bool fg_same_key(fg_run* run, ulong node, ulong key, uint key_size) {
  for (uint at = 0; at < key_size; at += 8) {
    if (fg_node_word(node + FG_KEY_AT + at) != fg_key_word(run, key, key_size, at)) return false;
  }
  return true;
}

// The slot of a key, and its word; 0 if the key never had one: the slot is the one that it would get then. FG_FULL:
// there is none.
#define FG_FULL 0xffffffffu
static uint fg_hash_find(fg_run* run, FG_HASH, ulong key, ulong* word) {
  const uint hash = fg_hash_of(run, key, key_size);
  for (uint i = 0; i <= mask; ++i) {
    const uint number = (hash + i) & mask;
    ulong now = *FG_SLOT(number), then;  // races: an exchange decides
    do {
      *word = then = now;
      if (then == 0) return number;
      const bool same = fg_same_key(run, fg_node_at(FG_HASH_ARGUMENTS, FG_NODE(then)), key, key_size);
      now = *FG_SLOT(number);  // races: on purpose, the node may have been another's meanwhile
      if (same && now == then) return number;
    } while (now != then);
  }
  *word = 0;
  return FG_FULL;
}

static void fg_hash_use(fg_run* run, FG_HASH, uint number, ulong node) {
  if ((kind & FG_LRU) == 0) return;
  if ((*FG_NODE_USE(node) & FG_WAS_USED) != 0) return;  // races: the atomic below decides
  if ((atomic_or(FG_NODE_USE(node), FG_WAS_USED) & FG_WAS_USED) != 0) return;
  fg_hash_log(run, FG_HASH_ARGUMENTS, FG_LOG_USE | number);
}

// Where a value stands that a slot's node had: 0 if the slot has another one by now. Of lanes' values the place is two
// words, which have to be one node's: of two, they lead anywhere.
static ulong fg_hash_value(fg_run* run, FG_HASH, uint number, ulong word) {
  const ulong at = fg_value_at(run, kind, fg_node_at(FG_HASH_ARGUMENTS, FG_NODE(word)));
  const bool sure = (kind & FG_PERCPU) == 0 || *FG_SLOT(number) == word;  // races: that is what it looks for
  return sure ? at : 0;
}

static ulong fg_hash_lookup(fg_run* run, FG_HASH, ulong key) {
  for (;;) {
    ulong word;
    const uint number = fg_hash_find(run, FG_HASH_ARGUMENTS, key, &word);
    if ((word & FG_LIVE) == 0) return 0;
    const ulong at = fg_hash_value(run, FG_HASH_ARGUMENTS, number, word);
    if (at == 0) continue;
    fg_hash_use(run, FG_HASH_ARGUMENTS, number, fg_node_at(FG_HASH_ARGUMENTS, FG_NODE(word)));
    return at;
  }
}

// ---- nodes ----

// A chain of nodes from `first` to `last` is out of use.
static void fg_hash_give(FG_HASH, uint first, uint last, uint count) {
  ulong head = *FG_FREE, then;  // races: an exchange decides
  do {
    then = head;
    *FG_NODE_NEXT(fg_node_at(FG_HASH_ARGUMENTS, last)) = (uint)then;  // races: who pops it by an old head fails
    FG_FENCE();
    head = atom_cmpxchg(FG_FREE, then, ((then >> 32) + 1) << 32 | first);
  } while (head != then);
  atomic_add(FG_LEFT, count);
}

static uint fg_hash_pop(FG_HASH) {
  ulong head = *FG_FREE, then;  // races: an exchange decides
  do {
    then = head;
    if ((uint)then == 0) return 0;
    const uint next = *FG_NODE_NEXT(fg_node_at(FG_HASH_ARGUMENTS, (uint)then));  // races: the head counts its changes
    head = atom_cmpxchg(FG_FREE, then, ((then >> 32) + 1) << 32 | next);
  } while (head != then);
  return (uint)head;
}

// Of those that the packet itself took out: where there is no other, none has to stay what it is.
static uint fg_hash_take_retired(fg_retired* retired, FG_HASH) {
  if (retired == 0 || retired->first == 0) return 0;
  const uint node = retired->first;
  retired->first = *FG_NODE_NEXT(fg_node_at(FG_HASH_ARGUMENTS, node));
  --retired->count;
  return node;
}

// 0: there is none. Margins are as in tables.h.
#define FG_MARGIN(nodes, entries) (((nodes) - (entries)) / 2)
static uint fg_hash_take(fg_run* run, fg_retired* retired, FG_HASH) {
  uint node = fg_hash_pop(FG_HASH_ARGUMENTS);
  if (node == 0 && *FG_FRESH < nodes) {  // races: the atomic below decides
    node = atomic_inc(FG_FRESH) + 1;
    if (node > nodes) node = 0;
  }
  const uint left = node != 0 ? atomic_dec(FG_LEFT) : 0;
  if (left < FG_MARGIN(nodes, entries)) fg_stop(run);
  return node != 0 ? node : fg_hash_take_retired(retired, FG_HASH_ARGUMENTS);
}

static void fg_hash_retire(fg_retired* retired, FG_HASH, uint node) {
  *FG_NODE_NEXT(fg_node_at(FG_HASH_ARGUMENTS, node)) = retired->first;
  if (retired->first == 0) retired->last = node;
  retired->first = node;
  ++retired->count;
}

static void fg_hash_rest(fg_retired* retired, FG_HASH) {
  if (retired->first == 0) return;
  fg_hash_give(FG_HASH_ARGUMENTS, retired->first, retired->last, retired->count);
  retired->first = retired->count = 0;
}

// ---- changes ----

// With the key and the value, which others' lanes have as zeros.
static void fg_hash_fill(fg_run* run, FG_HASH, uint number, ulong key, ulong value) {
  const ulong node = fg_node_at(FG_HASH_ARGUMENTS, number), to = node + FG_KEY_AT + FG_WORDS(key_size);
  const uint stride = FG_WORDS(value_size), own = (kind & FG_PERCPU) != 0 ? run->lane : 0;
  for (uint at = 0; at < key_size; at += 8)
    fg_put_node_word(node + FG_KEY_AT + at, fg_key_word(run, key, key_size, at));
  for (uint lane = 0; lane < fg_copies(kind); ++lane) {
    for (uint at = 0; at < stride; at += 8)
      fg_put_node_word(to + lane * stride + at, lane == own ? fg_key_word(run, value, value_size, at) : 0);
  }
  fg_put_node_word(node, to - run->maps);
  fg_put_node_word(node + 8, stride);
  *FG_NODE_USE(node) = FG_IS_NEW;  // races: who still has the node's last entry may note its use
}

// Puts another node and flags in the place of a slot's; false if somebody else did.
static bool fg_hash_exchange(fg_run* run, FG_HASH, uint number, ulong then, ulong now) {
  now |= (then & ~(FG_CHANGE - 1)) + FG_CHANGE;
  FG_FENCE();
  if (atom_cmpxchg(FG_SLOT(number), then, now) != then) return false;
  const bool all = (kind & FG_LRU) != 0 && run->batch->strict != 0;
  if (all || (then & FG_DIRTY) == 0)
    fg_hash_log(run, FG_HASH_ARGUMENTS, (now & FG_LIVE) != 0 ? number : FG_LOG_DELETE | number);
  return true;
}

// One entry more, if there may be. LRU maps have room for more than the host's; what it drops it decides itself.
static bool fg_hash_count(fg_run* run, FG_HASH) {
  const uint most = (kind & FG_LRU) != 0 ? nodes : entries;
  uint used = *FG_USED, then;  // races: an exchange decides
  do {
    then = used;
    if (then >= most) return false;
    used = atomic_cmpxchg(FG_USED, then, then + 1);
  } while (used != then);
  if ((kind & FG_LRU) != 0 && used >= entries && run->batch->strict != 0) fg_stop(run);
  return true;
}

static bool fg_hash_insert(fg_run* run, fg_retired* retired, FG_HASH, uint number, ulong word, uint node) {
  if (!fg_hash_exchange(run, FG_HASH_ARGUMENTS, number, word, FG_LIVE | FG_DIRTY | node)) return false;
  const uint before = FG_NODE(word);
  if (before == 0) return true;
  if (retired != 0) {
    fg_hash_retire(retired, FG_HASH_ARGUMENTS, before);
  } else {
    fg_hash_give(FG_HASH_ARGUMENTS, before, before, 1);
  }
  return true;
}

// A lane that inserts the same key may have counted its entry and not shown it yet: so who finds a table full looks
// again before it says so. It does not wait for long, since the other may have to wait for it.
#define FG_LOOKS 64u
static ulong fg_hash_update(fg_run* run, fg_retired* retired, FG_HASH, ulong key, ulong value, ulong flags) {
  if (flags > FG_EXIST) return FG_ERROR(FG_EINVAL);
  uint node = 0, looks = 0;
  ulong result = FG_ERROR(FG_ENOMEM);
  for (;;) {
    ulong word;
    const uint number = fg_hash_find(run, FG_HASH_ARGUMENTS, key, &word);
    const bool present = (word & FG_LIVE) != 0;
    if (present && flags == FG_NOEXIST) {
      result = FG_ERROR(FG_EEXIST);
      break;
    }
    if (!present && flags == FG_EXIST) {
      result = FG_ERROR(FG_ENOENT);
      break;
    }
    if (number == FG_FULL) break;
    if (present) {
      const ulong there = fg_node_at(FG_HASH_ARGUMENTS, FG_NODE(word));
      fg_hash_use(run, FG_HASH_ARGUMENTS, number, there);
      if (node == 0 && (kind & FG_PERCPU) == 0) {
        node = fg_hash_take(run, retired, FG_HASH_ARGUMENTS);
        if (node != 0) fg_hash_fill(run, FG_HASH_ARGUMENTS, node, key, value);
      }
      if (node == 0 || (kind & FG_PERCPU) != 0) {  // per-CPU values are overwritten; others where no node is left
        const ulong at = fg_hash_value(run, FG_HASH_ARGUMENTS, number, word);
        if (at == 0) continue;
        fg_copy_in(run, FG_GLOBAL(at), value, value_size);
        result = 0;
        break;
      }
      if (!fg_hash_insert(run, retired, FG_HASH_ARGUMENTS, number, word, node)) continue;
      return 0;
    }
    if (!fg_hash_count(run, FG_HASH_ARGUMENTS)) {
      result = FG_ERROR(FG_E2BIG);
      if (run->batch->lanes == 1 || ++looks == FG_LOOKS) break;
      continue;
    }
    if (node == 0) {
      node = fg_hash_take(run, retired, FG_HASH_ARGUMENTS);
      if (node != 0) fg_hash_fill(run, FG_HASH_ARGUMENTS, node, key, value);
    }
    if (node != 0 && fg_hash_insert(run, retired, FG_HASH_ARGUMENTS, number, word, node)) return 0;
    atomic_dec(FG_USED);
    if (node == 0) break;
  }
  if (node != 0) fg_hash_give(FG_HASH_ARGUMENTS, node, node, 1);
  return result;
}

static ulong fg_hash_delete(fg_run* run, FG_HASH, ulong key) {
  for (;;) {
    ulong word;
    const uint number = fg_hash_find(run, FG_HASH_ARGUMENTS, key, &word);
    if ((word & FG_LIVE) == 0) return FG_ERROR(FG_ENOENT);
    if (!fg_hash_exchange(run, FG_HASH_ARGUMENTS, number, word, FG_DIRTY | FG_NODE(word))) continue;
    atomic_dec(FG_USED);
    return 0;
  }
}
