// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/foreign_load.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace forager::bench {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

ForeignLoad::ForeignLoad() : begin_(now()) {}

// The first line of /proc/stat: user nice system idle iowait irq softirq steal (proc(5)).
ForeignLoad::Times ForeignLoad::now() {
  constexpr int kColumns = 8, kIdle = 3, kIoWait = 4;
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  Times times;
  for (int column = 0; column < kColumns; ++column) {
    double ticks = 0;
    stat >> ticks;
    const double time = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    times.all += time;
    if (column != kIdle && column != kIoWait) times.busy += time;
  }
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  times.own = seconds(own.ru_utime) + seconds(own.ru_stime);
  return times;
}

double ForeignLoad::percent() const {
  const Times end = now();
  const double all = end.all - begin_.all, others = end.busy - begin_.busy - (end.own - begin_.own);
  return all > 0 ? std::clamp(100 * others / all, 0.0, 100.0) : 0;
}

}  // namespace forager::bench
