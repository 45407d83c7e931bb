// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/child_process.hpp"

#include "core/child_process.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace tessera::partition {
namespace {

std::optional<std::string> explain(const ChildEnd& end) {
  if (end.signal == 0 && end.status == 0) return std::nullopt;
  const std::string said = end.report.empty() ? "" : ": " + end.report;
  if (end.signal == 0) return fmt::format("it ended with status {}{}", end.status, said);
  return fmt::format("it was ended by signal {} ({}{}){}", end.signal, strsignal(end.signal),
                     end.signal == SIGKILL ? "; memory may have run out" : "", said);
}

}  // namespace

SharedNumbers::SharedNumbers(std::size_t count) : data_(nullptr), count_(count) {
  void* memory = mmap(nullptr, std::max<std::size_t>(1, count) * sizeof(std::uint32_t), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail(ExitStatus::kOverBudget, "{} of shared memory cannot be had: {}", text::bytes(count * sizeof(std::uint32_t)),
         std::strerror(errno));
  data_ = static_cast<std::uint32_t*>(memory);
}

SharedNumbers::~SharedNumbers() { munmap(data_, std::max<std::size_t>(1, count_) * sizeof(std::uint32_t)); }

std::optional<std::string> run_in_child(const std::function<void()>& body, const std::function<void(double)>& waiting) {
  const auto run = [&] {
    body();
    return 0;
  };
  try {
    return explain(run_child(run, {.waiting = waiting}));
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace tessera::partition
