// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/detail/watch.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace tessera::comm::detail {

bool poll_until_done(const std::function<Progress()>& poll, std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  while (poll() == Progress::kPending) {
    const auto waited = Clock::now() - start;
    if (waited >= limit) return false;
    if (waited < std::chrono::milliseconds(20))
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

std::string LastTransfer::describe() const {
  if (number == 0) return "no exchange";
  return fmt::format("exchange {} ({} send{}, {} receive{}, {})", number, sends, sends == 1 ? "" : "s", receives,
                     receives == 1 ? "" : "s", text::bytes(bytes));
}

bool run_detached(std::function<void()> work, std::chrono::milliseconds limit) {
  const auto ended = std::make_shared<std::promise<void>>();
  std::future<void> future = ended->get_future();
  std::thread([ended, run = std::move(work)] {
    run();
    ended->set_value();
  }).detach();
  return future.wait_for(limit) == std::future_status::ready;
}

}  // namespace tessera::comm::detail
