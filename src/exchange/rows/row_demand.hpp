// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "exchange/rows/row_requests.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// The most distinct rows that each part touches in a step.
struct RowSizes {
  std::vector<std::uint64_t> remote;  ///< rows of other parts
  std::vector<std::uint64_t> own;     ///< rows of the part itself
};

/// The most rows that a rank sends, receives and sums in a step.
struct RowTotals {
  std::uint64_t remote = 0;                ///< rows of other parts that the owned parts need
  std::uint64_t requested = 0;             ///< rows of owned parts that parts of other ranks need
  std::uint64_t own = 0;                   ///< own rows that the owned parts need, added up
  std::uint64_t arriving = 0;              ///< gradients for rows of owned parts, from all parts
  std::vector<std::uint64_t> arriving_at;  ///< arriving gradients by owned part
};
RowTotals row_totals(const graph::Shard& shard, const RowSizes& sizes);

/// Which rows parts need of each other in the steps in flight: a part posts what it needs two steps ahead, and its
/// owners know it a step ahead. Lists of ids, on the host. A step uses slot = step mod kSlots.
class RowDemand {
 public:
  static constexpr std::size_t kSlots = 3;

  struct Peer {
    Rank rank;
    std::uint32_t first_part;
    std::uint32_t end_part;
    [[nodiscard]] std::uint32_t parts() const { return end_part - first_part; }
  };
  RowDemand(comm::Communicator& comm, const graph::Shard& shard, const RowSizes& sizes, memory::Pool& pool);

  /// `requests` [owned parts] stay untouched until the slot is used again. post() and finish() are called by all ranks
  /// in the same order.
  void post(std::size_t slot, std::span<RowRequests* const> requests);
  void finish(std::size_t slot);

  /// The rows that an owned part needs.
  [[nodiscard]] const RowRequests& needed(std::size_t slot, std::size_t own_part) const {
    return *slots_[slot].requests[own_part];
  }
  /// Rows of an owned part that part `requester` needs, and those that all parts need, one requester after the other.
  [[nodiscard]] std::span<const std::uint32_t> asked(std::size_t slot, std::size_t own_part,
                                                     std::uint32_t requester) const;
  [[nodiscard]] std::span<const std::uint32_t> asked(std::size_t slot, std::size_t own_part) const;
  /// Where the rows that `requester` needs begin among those that any part needs of any owned part.
  [[nodiscard]] std::uint64_t asked_begin(std::size_t slot, std::size_t own_part, std::uint32_t requester) const {
    return slots_[slot].rows_at[own_part * part_count_ + requester];
  }

  /// All ranks in order, this one among them.
  [[nodiscard]] std::span<const Peer> peers() const { return peers_; }
  [[nodiscard]] bool is_self(const Peer& peer) const { return peer.rank == rank_; }
  [[nodiscard]] std::size_t own_parts() const { return own_parts_; }
  [[nodiscard]] std::uint32_t first_own() const { return first_own_; }
  [[nodiscard]] bool is_own(std::uint32_t part) const { return part >= first_own_ && part < first_own_ + own_parts_; }
  [[nodiscard]] std::uint32_t part_count() const { return part_count_; }
  /// The most rows of a step.
  [[nodiscard]] const RowTotals& totals() const { return totals_; }

 private:
  struct Slot {
    std::span<RowRequests* const> requests;
    memory::Buffer<std::uint32_t> sent;      // per peer: counts, then rows of the owner
    memory::Buffer<std::uint32_t> received;  // the messages from the peers, as those in `sent`
    std::vector<std::uint64_t> sent_at;      // [peers + 1]
    std::vector<std::uint64_t> received_at;  // [peers + 1]
    std::vector<comm::Request> transfers;
    memory::Buffer<std::uint32_t> rows;  // asked of each owned part, requesters in order
    std::vector<std::uint64_t> rows_at;  // [owned * P + 1]
  };
  [[nodiscard]] std::uint64_t message_words(const Peer& requester, const Peer& owner, const RowSizes& sizes) const;
  void add_slot(const RowSizes& sizes, memory::Pool& pool);
  std::uint64_t pack(const Slot& slot, const Peer& peer, std::span<std::uint32_t> out) const;
  void count_rows(Slot& slot) const;
  void place_rows(Slot& slot) const;
  [[nodiscard]] std::span<const std::uint32_t> message(const Slot& slot, std::size_t peer) const;

  comm::Communicator& comm_;
  const graph::PartitionManifest& manifest_;
  Rank rank_;
  std::uint32_t part_count_;
  std::uint32_t first_own_;
  std::size_t own_parts_;
  RowTotals totals_;
  std::vector<Peer> peers_;
  std::vector<std::uint64_t> message_words_;  // most of a request to each peer
  std::vector<Slot> slots_;
};

}  // namespace tessera::exchange
