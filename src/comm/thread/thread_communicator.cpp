// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/thread/thread_communicator.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

namespace tessera::comm {
namespace {

// The state that the ranks of a group share, under one lock.
struct Hub {
  explicit Hub(std::int32_t count) : ranks(count), pointers(static_cast<std::size_t>(count)) {}

  void abort(const std::exception_ptr& cause) {
    const std::scoped_lock lock(mutex);
    if (!failure) failure = cause;
    changed.notify_all();
  }

  template <class Condition>
  void wait(std::unique_lock<std::mutex>& lock, const Condition& condition) {
    changed.wait(lock, [&] { return failure || condition(); });
    if (failure) fail(ExitStatus::kInternal, "another rank failed");
  }

  void barrier() {
    std::unique_lock lock(mutex);
    const std::uint64_t mine = generation;
    if (++arrived == ranks) {
      arrived = 0;
      ++generation;
      changed.notify_all();
    } else {
      wait(lock, [&] { return generation != mine; });
    }
  }

  using Mailbox = std::tuple<std::int32_t, std::int32_t, int>;  // from, to, tag
  std::int32_t ranks;
  std::mutex mutex;
  std::condition_variable changed;
  std::int32_t arrived = 0;
  std::uint64_t generation = 0;
  std::vector<const void*> pointers;
  std::map<Mailbox, std::deque<std::vector<std::byte>>> mail;
  std::exception_ptr failure;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(Hub& hub, std::int32_t rank) : hub_(hub), rank_(rank) {}
  [[nodiscard]] Rank rank() const override { return Rank(rank_); }
  [[nodiscard]] std::int32_t size() const override { return hub_.ranks; }
  [[nodiscard]] std::int32_t ranks_on_host() const override { return hub_.ranks; }
  [[nodiscard]] std::int32_t rank_on_host() const override { return rank_; }
  void barrier() override { hub_.barrier(); }

  void broadcast(std::span<std::byte> data, Rank root) override {
    publish(data.data());
    if (rank() != root && !data.empty()) std::memcpy(data.data(), seen(root.value()), data.size());
    if (rank() == root) bytes_sent_ += data.size() * static_cast<std::uint64_t>(size() - 1);
    hub_.barrier();
  }

  void all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                  std::span<const std::uint64_t> counts_bytes) override {
    const std::vector<std::byte> mine(in.begin(), in.end());
    publish(mine.data());
    std::uint64_t at = 0;
    for (std::int32_t from = 0; from < size(); ++from) {
      const std::uint64_t count = counts_bytes[static_cast<std::size_t>(from)];
      if (count > 0) std::memcpy(out.data() + at, seen(from), count);
      at += count;
    }
    bytes_sent_ += in.size() * static_cast<std::uint64_t>(size() - 1);
    hub_.barrier();
  }

  void all_reduce(std::span<std::int64_t> values, Reduction reduction) override {
    const std::vector<std::int64_t> mine(values.begin(), values.end());
    publish(mine.data());
    for (std::int32_t from = 0; from < size(); ++from) {
      if (from == rank_) continue;
      const auto* theirs = static_cast<const std::int64_t*>(seen(from));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = combine(values[i], theirs[i], reduction);
    }
    if (size() > 1) bytes_sent_ += values.size_bytes();
    hub_.barrier();
  }

  Request send(std::span<const std::byte> data, std::uint64_t capacity_bytes, Rank to, int tag) override {
    TESSERA_ASSERT(data.size() <= capacity_bytes, "message above its stated capacity");
    const std::scoped_lock lock(hub_.mutex);
    hub_.mail[{rank_, to.value(), tag}].emplace_back(data.begin(), data.end());
    hub_.changed.notify_all();
    bytes_sent_ += data.size();
    return {this, add_slot({{}, -1, 0, data.size()})};
  }

  Request receive(std::span<std::byte> buffer, Rank from, int tag) override {
    return {this, add_slot({buffer, from.value(), tag, 0})};
  }

  void progress() override {}

 protected:
  std::uint64_t wait(std::uint64_t slot) override {
    const Slot posted = slots_.at(slot);
    slots_.erase(slot);
    if (posted.from < 0) return posted.sent;
    std::unique_lock lock(hub_.mutex);
    auto& queue = hub_.mail[{posted.from, rank_, posted.tag}];
    hub_.wait(lock, [&] { return !queue.empty(); });
    const std::vector<std::byte> message = std::move(queue.front());
    queue.pop_front();
    TESSERA_ASSERT(message.size() <= posted.buffer.size(), "message above its stated capacity");
    std::copy(message.begin(), message.end(), posted.buffer.begin());
    return message.size();
  }
  void abandon(std::uint64_t slot) noexcept override { slots_.erase(slot); }

 private:
  struct Slot {
    std::span<std::byte> buffer;
    std::int32_t from;
    int tag;
    std::uint64_t sent;
  };
  std::uint64_t add_slot(Slot slot) {
    slots_.emplace(next_slot_, slot);
    return next_slot_++;
  }
  void publish(const void* pointer) {
    hub_.pointers[static_cast<std::size_t>(rank_)] = pointer;
    hub_.barrier();
  }
  [[nodiscard]] const void* seen(std::int32_t from) const { return hub_.pointers[static_cast<std::size_t>(from)]; }
  static std::int64_t combine(std::int64_t a, std::int64_t b, Reduction reduction) {
    switch (reduction) {
      case Reduction::kSum: return a + b;
      case Reduction::kMin: return std::min(a, b);
      case Reduction::kMax: return std::max(a, b);
    }
    return a;
  }

  Hub& hub_;
  std::int32_t rank_;
  std::map<std::uint64_t, Slot> slots_;
  std::uint64_t next_slot_ = 0;
};

}  // namespace

void run_ranks(std::int32_t ranks, const std::function<void(Communicator&)>& body) {
  Hub hub(ranks);
  {
    std::vector<std::jthread> threads;
    for (std::int32_t rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&hub, &body, rank] {
        try {
          ThreadCommunicator comm(hub, rank);
          body(comm);
        } catch (...) {
          hub.abort(std::current_exception());
        }
      });
  }
  if (hub.failure) std::rethrow_exception(hub.failure);
}

}  // namespace tessera::comm
