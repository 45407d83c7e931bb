// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "exchange/rows/halo_rows.hpp"
#include "execution/step_memory.hpp"
#include "graph/shard.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// Moves rows in the order of an executor's work: kernels gather the rows, and a transport moves them. All rows leave
/// together: in begin() with staleness 1, else in patch(). Used where at least one rank computes on a device, and with
/// one rank.
template <execution::Space kSpace>
class OrderedHaloRows final : public HaloRows<kSpace> {
 public:
  using typename HaloRows<kSpace>::StoredRows;
  using typename HaloRows<kSpace>::Lists;
  using Transport = comm::RankTransport<kSpace>;

  struct Setup {
    execution::Executor<kSpace>& executor;
    execution::StepMemory<kSpace>& memory;
    const graph::Shard& shard;
    const RowDemand& demand;
    std::span<const StoredRows> tables;  ///< by owned part: rows, and the halo behind them
    Transport* transport = nullptr;      ///< null with one rank
    bool stale = false;
    kernels::RowFormat format = kernels::RowFormat::kFp32;  ///< in which rows of tables in fp32 travel
  };
  /// The objects of `setup` outlive this one. Its StepMemory counts to the rows of the largest halo.
  OrderedHaloRows(const Setup& setup, const RowSizes& sizes);
  void begin(std::size_t slot, std::size_t changing, const Lists& lists) override;
  void patch(std::size_t slot, const Lists& lists) override;
  void finish(std::size_t slot) override;
  /// The most bytes that a rank sends and receives.
  static std::uint64_t largest_bytes(const RowTotals& totals, std::size_t row_bytes) {
    return (totals.remote + totals.requested) * row_bytes;
  }

 private:
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  void exchange_rows(std::size_t slot, const Lists& lists);
  void send_rows(std::size_t slot, const Lists& lists);
  void receive_rows(std::size_t slot);
  void place_rounded(std::size_t slot);
  void copy_within_rank(std::size_t slot, const Lists& lists);
  void take(StoredRows table, Indices rows, StoredRows out) const;
  void encode(StoredRows rows, StoredRows rounded) const;
  void decode(StoredRows rounded, StoredRows rows) const;
  [[nodiscard]] StoredRows allocate(kernels::RowFormat format, std::uint64_t rows);
  [[nodiscard]] std::uint64_t halo_size(std::size_t slot, std::size_t own_part) const;
  /// The memory that receives rows of part `owner` for owned part p.
  [[nodiscard]] StoredRows place(std::size_t slot, std::size_t p, std::uint32_t owner) const;
  /// The rounded form of these rows.
  [[nodiscard]] StoredRows rounded_place(std::size_t slot, std::size_t p, std::uint32_t owner) const;

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  const graph::Shard& shard_;
  const RowDemand& demand_;
  std::vector<StoredRows> tables_;
  Transport* transport_;
  bool stale_;
  bool is_rounded_;                        // rows that leave their part
  StoredRows out_;                         // [requested rows], by owned part, then by requester
  StoredRows rounded_out_;                 // the same in the format of the exchange
  StoredRows rounded_in_;                  // [remote rows], by owned part
  std::vector<std::uint64_t> rounded_at_;  // [owned parts]
  std::vector<StoredRows> in_;             // with staleness, by owned part [rows of its halo]
  std::vector<typename Transport::Send> sends_;
  std::vector<typename Transport::Receive> receives_;
};

extern template class OrderedHaloRows<execution::Space::kHost>;
extern template class OrderedHaloRows<execution::Space::kDevice>;

}  // namespace tessera::exchange
