// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace tessera::comm::detail {

/// The state of work that a rank waits for.
enum class Progress : std::uint8_t { kPending, kDone };

/// Asks `poll` until it says done; false when `limit` passed first. Busy for 20 ms, then every 50 microseconds, so that
/// a wait costs little latency when it is short and little of a core when it is long. An exception of `poll` goes
/// through.
bool poll_until_done(const std::function<Progress()>& poll, std::chrono::milliseconds limit);

/// The last transfer that was enqueued, for the message of a wait that lasts too long.
struct LastTransfer {
  std::uint64_t number = 0;  ///< 1 for the first; equal on all ranks that are in step
  std::uint64_t sends = 0;
  std::uint64_t receives = 0;
  std::uint64_t bytes = 0;
  /// "exchange 17 (3 sends, 2 receives, 1.5 MiB)", or "no exchange".
  [[nodiscard]] std::string describe() const;
};

/// Runs `work` in a thread of its own and waits for at most `limit`; true when it ended. A thread that did not end is
/// left behind: for calls that may hang while the process is about to end.
bool run_detached(std::function<void()> work, std::chrono::milliseconds limit);

}  // namespace tessera::comm::detail
