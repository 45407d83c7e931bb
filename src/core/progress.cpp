// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/progress.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tessera {
namespace {
constexpr auto kRedraw = std::chrono::milliseconds(200);
constexpr auto kLogEvery = std::chrono::seconds(10);

// A line that a terminal breaks into two cannot be drawn again.
std::string cut_to_terminal(std::string line) {
  struct winsize size {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && line.size() >= size.ws_col)
    line.resize(size.ws_col - 1U);
  return line;
}
}  // namespace

Progress::Progress(std::string title, std::uint64_t total, std::string unit, bool silent, std::uint64_t before)
    : title_(std::move(title)),
      total_(total),
      unit_(std::move(unit)),
      before_(before),
      silent_(silent),
      terminal_(!silent && isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      next_(start_ + (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLogEvery))) {}

Progress::~Progress() { finish(); }

bool Progress::due() const { return !silent_ && Clock::now() >= next_; }

void Progress::update(std::uint64_t done, const std::string& note) {
  if (due()) show(done, note);
}

std::string Progress::line(std::uint64_t done, double seconds, const std::string& note) const {
  const double rate = seconds > 0 ? static_cast<double>(done - std::min(done, before_)) / seconds : 0;
  std::string line = fmt::format("{}: {}", title_, text::with_thousands(done));
  if (total_ > 0)
    line += fmt::format(" of {} ({:.0f} %)", text::with_thousands(total_),
                        100.0 * static_cast<double>(done) / static_cast<double>(total_));
  line += fmt::format(" {}, {} /s", unit_, text::with_thousands(static_cast<std::uint64_t>(rate)));
  if (total_ > 0 && rate > 0)
    line += fmt::format(", {} left", text::duration(static_cast<double>(total_ - std::min(done, total_)) / rate));
  if (!note.empty()) line += ", " + note;
  if (!standing_.empty()) line += ", " + standing_;
  return line;
}

void Progress::show(std::uint64_t done, const std::string& note) {
  const auto now = Clock::now();
  next_ = now + (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLogEvery));
  const std::string text = line(done, std::chrono::duration<double>(now - start_).count(), note);
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", cut_to_terminal(text).c_str());
    std::fflush(stderr);
    drawn_ = true;
  } else {
    log::info("{}", text);
  }
}

void Progress::finish() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace tessera
