// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "exchange/row_requests.hpp"
#include "graph/shard.hpp"
#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// Moves entity rows to the parts that need them and row gradients back to the owners, for steps in a pipeline:
///
///   post_requests(s+2)   ids of the rows that the batch after next needs; the owners learn them while step s computes
///   finish_requests(s+1)
///   begin_rows(s+1, s)   rows of the next batch leave before step s is computed. With staleness 0 the owner holds back
///   those
///                        that step s is going to change; with staleness 1 it sends all as they are
///   finish_rows(s)       the halo of step s is in place
///   patch_rows(s+1)      after the update of step s: the rows held back follow
///
/// What a part reads is the same whether the owner of a row is another part of this rank or of another one. Steps use
/// `slot` = step mod kSlots. All calls are collective in the sense that every rank makes them in the same order.
class RowsExchange {
 public:
  static constexpr std::size_t kSlots = 3;

  /// `remote_capacity[p]`: most distinct rows of other parts that part p touches in a step, for every part of the
  /// graph; `own_capacity[p]` likewise for rows of its own.
  struct Capacity {
    std::vector<std::uint64_t> remote;
    std::vector<std::uint64_t> own;
  };
  RowsExchange(comm::Communicator& comm, const graph::Shard& shard, model::Parameters& parameters,
               const Capacity& capacity, bool stale, memory::Pool& pool);

  /// `requests` [owned parts] stay untouched until the slot is used again.
  void post_requests(std::size_t slot, std::span<RowRequests* const> requests);
  void finish_requests(std::size_t slot);
  /// `changing`: the slot of the step that is about to change rows, or kNone.
  void begin_rows(std::size_t slot, std::size_t changing);
  void patch_rows(std::size_t slot);
  void finish_rows(std::size_t slot);
  static constexpr std::size_t kNone = ~std::size_t{0};

  /// Where part `own_part` (index among the owned) must put the summed gradients of the rows that it requested from
  /// part q: [RowRequests::count(q), dim]. Valid after finish_requests.
  [[nodiscard]] kernels::Matrix gradient_block(std::size_t slot, std::size_t own_part, PartId q) const;
  /// Sends them; returns when those of this rank's rows have arrived.
  void exchange_gradients(std::size_t slot);
  /// Gradients that arrived for owned part `own_part`: one row per entry of `rows` (local rows; the entries of
  /// requesting part 0 first, then of part 1, ...; a row may occur once per part).
  struct Arrived {
    std::span<const std::uint32_t> rows;
    kernels::ConstMatrix gradients;
  };
  [[nodiscard]] Arrived arrived(std::size_t slot, std::size_t own_part) const;
  /// Most entries that arrived() can have for one owned part.
  [[nodiscard]] std::uint64_t arrival_capacity(std::size_t own_part) const { return arrival_capacity_[own_part]; }
  void progress() { comm_.progress(); }

 private:
  struct Peer {
    Rank rank;
    std::uint32_t first_part;
    std::uint32_t end_part;
    [[nodiscard]] std::uint32_t parts() const { return end_part - first_part; }
  };
  struct Slot {
    std::span<RowRequests* const> requests;
    memory::Buffer<std::uint32_t> sent;      // per peer: counts, then local rows at the owner
    memory::Buffer<std::uint32_t> received;  // the same from the peers
    std::vector<std::uint64_t> sent_at;      // [peers + 1]
    std::vector<std::uint64_t> received_at;  // [peers + 1]
    std::vector<comm::Request> transfers;
    memory::Buffer<std::uint32_t> rows;  // local rows asked of each owned part, requesting parts in order
    std::vector<std::uint64_t> rows_at;  // [owned * P + 1]: start of the entries of (owned part, requesting part)
  };

  [[nodiscard]] std::size_t own_parts() const { return parameters_.parts().size(); }
  [[nodiscard]] bool is_self(const Peer& peer) const { return peer.rank == comm_.rank(); }
  std::uint64_t pack_request(const Slot& slot, const Peer& peer, std::span<std::uint32_t> out) const;
  void parse_requests(Slot& slot);
  [[nodiscard]] std::span<const std::uint32_t> asked(const Slot& slot, std::size_t own_part,
                                                     std::uint32_t requester) const;
  [[nodiscard]] std::uint64_t rows_for_peer(const Slot& slot, const Peer& peer) const;   // that this rank sends
  [[nodiscard]] std::uint64_t rows_from_peer(const Slot& slot, const Peer& peer) const;  // that this rank receives
  template <class Visit>
  void for_each_row_to(const Slot& slot, const Peer& peer, const Visit& visit) const;
  void mark_changing(const Slot& slot);
  void send_unchanging(const Slot& slot, std::size_t peer);
  void receive_unchanging(const Slot& slot, std::size_t peer);
  void send_patches(const Slot& slot, std::size_t peer);
  void place_rows(const Slot& slot, std::size_t peer);
  void copy_within_rank(const Slot& slot);
  void lay_out_gradients(const Slot& slot);

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  model::Parameters& parameters_;
  bool stale_;
  std::size_t dim_;
  std::vector<Peer> peers_;
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> request_bound_;  // words of the request to each peer
  std::vector<std::uint64_t> arrival_capacity_;

  // Rows in flight: one step at a time. Regions by peer; rows that change come after those that do not.
  memory::Buffer<float> rows_out_;
  memory::Buffer<float> rows_in_;
  memory::Buffer<std::uint8_t> flags_out_;
  memory::Buffer<std::uint8_t> flags_in_;
  std::vector<std::uint64_t> out_at_;         // rows, [peers + 1]
  std::vector<std::uint64_t> in_at_;          // rows, [peers + 1]
  std::vector<std::uint64_t> unchanging_in_;  // rows, [peers]
  std::vector<comm::Request> flag_transfers_;
  std::vector<comm::Request> row_receives_;
  std::vector<comm::Request> row_sends_;
  std::vector<memory::Buffer<std::uint32_t>> changed_in_;  // [owned parts][rows]: stamp of the step that changes it
  std::uint32_t stamp_ = 0;

  memory::Buffer<float> gradients_out_;
  memory::Buffer<float> gradients_in_;
  std::vector<std::uint64_t> gradient_out_at_;  // rows, [owned * P]: start of block (own part, q)
  std::vector<comm::Request> gradient_transfers_;
};

}  // namespace tessera::exchange
