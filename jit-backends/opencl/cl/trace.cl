// SPDX-License-Identifier: Apache-2.0
//
// bpf_trace_printk: each lane has a log of what it prints; the host makes lines of it once packets are through
// (jit-backends/opencl/mirror_trace.cc). What the call gives is known here: -EINVAL of a format that the host refuses
// (host/helpers/format.h has which), or how long the line is, by measuring it.
//
// The log begins with the bytes used (8 of 64). An entry is the length of the format with its NUL (4, in 8), three
// arguments, and the format in whole words. Once half of the log is used packets stop, so that none has less room than
// that; a packet that finds no room is stopped, since no line may be lost.

#define FG_TRACE_LOG_AT 64u
#define FG_TRACE_ENTRY 32u  // bytes before the format
#define FG_TRACE_MOST_WIDTH 1024u

// A format, as far as it is measured.
typedef struct {
  ulong at;      // the next character
  ulong length;  // of the line so far
  uint used;     // arguments
  uint width;    // of the conversion at hand
  bool sign;     // it shows one of positive numbers
  bool follows;  // a pointer, which nobody proved to be one
} fg_format;

static bool fg_is_space(uint c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool fg_is_print(uint c) { return c >= ' ' && c <= '~'; }
static bool fg_is_digit(uint c) { return c >= '0' && c <= '9'; }
static bool fg_is_letter(uint c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool fg_ends_word(uint c) {
  return c == 0 || fg_is_space(c) || (fg_is_print(c) && !fg_is_digit(c) && !fg_is_letter(c));
}

static uint fg_peek(fg_run* run, const fg_format* format) { return (uint)fg_load8_any(run, format->at); }
static bool fg_accept(fg_run* run, fg_format* format, uint c) {
  if (fg_peek(run, format) != c) return false;
  ++format->at;
  return true;
}

static bool fg_printed(fg_format* format, ulong length) {
  format->length += max(length, (ulong)format->width);
  return true;
}
static ulong fg_digits(ulong value, uint base) {
  ulong digits = 1;
  for (; value >= base; value /= base) ++digits;
  return digits;
}

static bool fg_measure_integer(fg_run* run, fg_format* format, ulong argument) {
  const bool wide = fg_accept(run, format, 'l');
  if (wide) fg_accept(run, format, 'l');
  const uint kind = fg_peek(run, format);
  if (kind == 'd' || kind == 'i') {
    const long value = wide ? (long)argument : (long)(int)(uint)argument;
    ++format->at;
    return fg_printed(format, fg_digits(value < 0 ? 0 - (ulong)value : (ulong)value, 10) + (value < 0 || format->sign));
  }
  if (kind != 'u' && kind != 'x' && kind != 'X') return false;
  ++format->at;
  return fg_printed(format, fg_digits(wide ? argument : (uint)argument, kind == 'u' ? 10 : 16));
}

// Lengths of what pointers lead to do not matter: no line is made of it.
static bool fg_measure_string(fg_run* run, fg_format* format) {
  format->follows = true;
  return fg_ends_word(fg_peek(run, format));
}
static bool fg_measure_pointer(fg_run* run, fg_format* format) {
  const uint c = fg_peek(run, format), next = c == 0 ? 0 : (uint)fg_load8_any(run, format->at + 1);
  if ((c == 'k' || c == 'u') && next == 's') {
    format->at += 2;
    return fg_measure_string(run, format);
  }
  if ((c == 'i' || c == 'I') && (next == '4' || next == '6')) {
    format->at += 2;
    format->follows = true;
    return true;
  }
  format->length += 16;
  if (c == 'K' || c == 'x' || c == 's' || c == 'S' || c == 'B') {
    ++format->at;
    return true;
  }
  return fg_ends_word(c);
}

static bool fg_measure_conversion(fg_run* run, fg_format* format, ulong a, ulong b, ulong c) {
  if (format->used == 3) return false;
  const ulong argument = format->used == 0 ? a : format->used == 1 ? b : c;
  ++format->used;
  format->width = 0;
  format->sign = false;
  for (uint flag = fg_peek(run, format); flag == '0' || flag == '+' || flag == '-' || flag == ' ';
       flag = fg_peek(run, format)) {
    format->sign |= flag == '+' || flag == ' ';
    ++format->at;
  }
  for (uint digit = fg_peek(run, format); fg_is_digit(digit); digit = fg_peek(run, format)) {
    format->width = min(format->width * 10 + (digit - '0'), FG_TRACE_MOST_WIDTH);
    ++format->at;
  }
  if (fg_accept(run, format, 'p')) return fg_measure_pointer(run, format);
  if (fg_accept(run, format, 's')) return fg_measure_string(run, format);
  if (fg_accept(run, format, 'c')) return fg_printed(format, 1);
  return fg_measure_integer(run, format, argument);
}

// False: the host refuses it. It ends with a NUL.
static bool fg_measure(fg_run* run, fg_format* format, ulong a, ulong b, ulong c) {
  for (uint next = fg_peek(run, format); next != 0; next = fg_peek(run, format)) {
    if (!fg_is_print(next) && !fg_is_space(next)) return false;
    ++format->at;
    if (next != '%' || fg_accept(run, format, '%')) {
      ++format->length;
    } else if (!fg_measure_conversion(run, format, a, b, c)) {
      return false;
    }
  }
  return true;
}

// With its NUL; 0 if it has none.
static uint fg_text_bytes(fg_run* run, ulong text, uint size) {
  for (uint i = 0; i < size; ++i) {
    if (fg_load8_any(run, text + i) == 0) return i + 1;
  }
  return 0;
}

static bool fg_log_line(fg_run* run, ulong text, uint bytes, ulong a, ulong b, ulong c) {
  const ulong log = run->maps + run->batch->trace + (ulong)run->batch->trace_bytes * run->lane;
  const ulong room = run->batch->trace_bytes - FG_TRACE_LOG_AT;
  const ulong used = fg_load64_global(FG_GLOBAL(log)), more = FG_TRACE_ENTRY + FG_WORDS((ulong)bytes);
  if (used + more > room) return false;
  const ulong entry = log + FG_TRACE_LOG_AT + used;
  fg_store64_global(FG_GLOBAL(entry), bytes);
  fg_store64_global(FG_GLOBAL(entry + 8), a);
  fg_store64_global(FG_GLOBAL(entry + 16), b);
  fg_store64_global(FG_GLOBAL(entry + 24), c);
  fg_copy_in(run, FG_GLOBAL(entry + FG_TRACE_ENTRY), text, bytes);
  fg_store64_global(FG_GLOBAL(log), used + more);
  if (used + more > room / 2) fg_stop(run);
  return true;
}

static ulong fg_trace_printk(fg_run* run, ulong text, uint size, ulong a, ulong b, ulong c) {
  const uint bytes = fg_text_bytes(run, text, size);
  fg_format format = {text, 0, 0, 0, false, false};
  if (bytes == 0 || !fg_measure(run, &format, a, b, c)) return FG_ERROR(FG_EINVAL);
  if (format.follows) {
    run->trap = FG_TRAP_FORMAT;
  } else if (!fg_log_line(run, text, bytes, a, b, c)) {
    run->trap = FG_TRAP_LINES;
  }
  return format.length;
}
