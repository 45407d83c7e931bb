// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "exchange/rows/halo_rows.hpp"
#include "graph/shard.hpp"
#include "kernels/stored_rows.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// Moves rows while a step computes, where every rank computes on the host. Rows that the step does not change leave in
/// begin(). With staleness 0, the rows that it changes leave in patch(); with staleness 1, all rows leave in begin().
/// Decision 3.
class EarlyHaloRows final : public HaloRows<execution::Space::kHost> {
 public:
  struct Setup {
    comm::Communicator& comm;
    const graph::Shard& shard;
    const RowDemand& demand;
    std::span<const kernels::StoredRows> tables;  ///< by owned part: rows, and the halo behind them
    bool stale = false;
    kernels::RowFormat format = kernels::RowFormat::kFp32;  ///< in which rows of tables in fp32 travel
  };
  /// The objects of `setup` outlive this one.
  EarlyHaloRows(const Setup& setup, memory::Pool& pool);
  void begin(std::size_t slot, std::size_t changing, const Lists& lists) override;
  void patch(std::size_t slot, const Lists& lists) override;
  void finish(std::size_t slot) override;

 private:
  using Peer = RowDemand::Peer;
  [[nodiscard]] std::uint64_t rows_to(std::size_t slot, const Peer& peer) const;
  [[nodiscard]] std::uint64_t rows_from(std::size_t slot, const Peer& peer) const;
  template <class Visit>
  void for_each_row_to(std::size_t slot, const Peer& peer, const Visit& visit) const;
  void mark_changing(std::size_t slot);
  void send_unchanging(std::size_t slot, std::size_t peer);
  void receive_unchanging(std::size_t peer);
  void send_held_back(std::size_t slot, std::size_t peer);
  void receive_held_back(std::size_t peer);
  void place_rows(std::size_t slot, std::size_t peer);
  void copy_within_rank(std::size_t slot);
  void take(std::size_t own_part, std::size_t row, std::byte* out) const;
  void place(const std::byte* from, std::size_t own_part, std::size_t row) const;

  comm::Communicator& comm_;
  const RowDemand& demand_;
  std::vector<kernels::StoredRows> tables_;
  bool stale_;
  kernels::RowFormat format_;  // of rows on their way
  bool is_rounded_;            // it is not that of the tables
  std::size_t row_bytes_;
  std::vector<std::byte> one_;  // rounded row on its way within the rank
  // Rows on their way, of one step. Regions by peer; rows that change come after those that do not.
  memory::Buffer<std::byte> rows_out_;
  memory::Buffer<std::byte> rows_in_;
  memory::Buffer<std::uint8_t> flags_out_;
  memory::Buffer<std::uint8_t> flags_in_;
  std::vector<std::uint64_t> out_at_;         // rows, [peers + 1]
  std::vector<std::uint64_t> in_at_;          // rows, [peers + 1]
  std::vector<std::uint64_t> unchanging_in_;  // rows, [peers]
  std::vector<comm::Request> flag_receives_;
  std::vector<comm::Request> row_receives_;  // [peers]
  std::vector<comm::Request> sends_;
  std::vector<memory::Buffer<std::uint32_t>> changed_in_;  // [owned parts][rows]: stamp of the step that changes it
  std::uint32_t stamp_ = 0;
};

}  // namespace tessera::exchange
