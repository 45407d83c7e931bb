// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "core/ids.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace tessera::comm {

/// A rank or the network hangs. Where another rank has noticed it before, that one says so and ends all ranks.
class SilenceError : public Error {
 public:
  SilenceError(const std::string& message, bool is_known) : Error(ExitStatus::kIo, message), is_known_(is_known) {}
  [[nodiscard]] bool is_known() const noexcept { return is_known_; }

 private:
  bool is_known_;
};

enum class Reduction { kSum, kMin, kMax };

class Communicator;

/// A transfer in flight. Its memory must stay untouched until wait() returns; destroying an unfinished one waits, or
/// gives it up when an exception is on its way: the ranks can then only end together.
class Request {
 public:
  Request() = default;
  Request(Communicator* comm, std::uint64_t slot) : comm_(comm), slot_(slot) {}
  Request(Request&& other) noexcept : comm_(std::exchange(other.comm_, nullptr)), slot_(other.slot_) {}
  Request& operator=(Request&& other) noexcept {
    std::swap(comm_, other.comm_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request();
  /// Blocks until done; returns the bytes received (or sent). Throws Error when the peer is silent for too long.
  std::uint64_t wait();
  [[nodiscard]] bool active() const { return comm_ != nullptr; }

 private:
  Communicator* comm_ = nullptr;
  std::uint64_t slot_ = 0;
};

/// The ranks of a job. Host memory only. Every collective must be called by all ranks in the same order; integers are
/// the only thing that is ever reduced here: floating-point sums follow the parts (exchange/tree/part_tree.hpp), not
/// the ranks. One thread per rank calls it.
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual Rank rank() const = 0;
  [[nodiscard]] bool is_root() const { return rank() == Rank(0); }
  [[nodiscard]] virtual std::int32_t size() const = 0;
  /// Ranks on this host, including this one.
  [[nodiscard]] virtual std::int32_t ranks_on_host() const = 0;
  /// The number of this rank among them.
  [[nodiscard]] virtual std::int32_t rank_on_host() const = 0;

  virtual void barrier() = 0;
  virtual void broadcast(std::span<std::byte> data, Rank root) = 0;
  /// `out` receives counts[r] bytes from each rank r, in rank order; `in` has counts[rank()] bytes.
  virtual void all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                          std::span<const std::uint64_t> counts_bytes) = 0;
  virtual void all_reduce(std::span<std::int64_t> values, Reduction reduction) = 0;

  /// Point to point. Both sides state the same `capacity_bytes`, an upper bound of the message; transfers above 1 GiB
  /// are split. Messages of one pair and tag arrive in order.
  virtual Request send(std::span<const std::byte> data, std::uint64_t capacity_bytes, Rank to, int tag) = 0;
  /// `buffer` has `capacity_bytes`; Request::wait says how many bytes came.
  virtual Request receive(std::span<std::byte> buffer, Rank from, int tag) = 0;
  /// Lets the transport work on transfers in flight; cheap, for long computations.
  virtual void progress() = 0;

  /// How long a wait may last before the peer counts as hanging.
  virtual void set_watchdog(std::chrono::seconds /*limit*/) {}

  /// Bytes handed to other ranks since the start, collectives included.
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }

  template <class T>
  void broadcast_values(std::span<T> values, Rank root) {
    broadcast(std::as_writable_bytes(values), root);
  }
  std::int64_t reduce(std::int64_t value, Reduction reduction) {
    all_reduce(std::span(&value, 1), reduction);
    return value;
  }
  /// The string of `root`, everywhere.
  std::string broadcast_string(std::string value, Rank root);

 protected:
  friend class Request;
  virtual std::uint64_t wait(std::uint64_t slot) = 0;
  /// Gives up a transfer without waiting for the peer.
  virtual void abandon(std::uint64_t slot) noexcept = 0;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace tessera::comm
