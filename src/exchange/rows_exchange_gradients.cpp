// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The way back: summed gradients of requested rows travel to the owners.

#include "exchange/rows_exchange.hpp"

namespace tessera::exchange {
namespace {
constexpr int kGradientTag = 16;  // + part
}

// Blocks for parts of other ranks, ordered by (owner part, own part): one message per owner part.
void RowsExchange::lay_out_gradients(const Slot& slot) {
  const std::uint32_t part_count = shard_.manifest.part_count();
  std::uint64_t at = 0;
  for (const Peer& peer : peers_) {
    if (is_self(peer)) continue;
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q)
      for (std::size_t p = 0; p < own_parts(); ++p) {
        gradient_out_at_[p * part_count + q] = at;
        at += slot.requests[p]->count(PartId(q));
      }
  }
}

kernels::Matrix RowsExchange::gradient_block(std::size_t slot_index, std::size_t own_part, PartId q) const {
  const Slot& slot = slots_[slot_index];
  const std::uint32_t part_count = shard_.manifest.part_count();
  const std::uint32_t first_own = parameters_.parts().front().part.value();
  const std::size_t rows = slot.requests[own_part]->count(q);
  const bool local = q.value() >= first_own && q.value() < first_own + own_parts();
  if (local) {
    const std::uint64_t at = slot.rows_at[(q.value() - first_own) * part_count + first_own + own_part];
    return {gradients_in_.data() + at * dim_, rows, dim_, dim_};
  }
  return {gradients_out_.data() + gradient_out_at_[own_part * part_count + q.index()] * dim_, rows, dim_, dim_};
}

void RowsExchange::exchange_gradients(std::size_t slot_index) {
  const Slot& slot = slots_[slot_index];
  const std::uint32_t part_count = shard_.manifest.part_count();
  const auto first_own = static_cast<int>(parameters_.parts().front().part.value());
  gradient_transfers_.clear();
  for (const Peer& peer : peers_) {
    if (is_self(peer)) continue;
    for (std::size_t q = 0; q < own_parts(); ++q) {
      const std::uint64_t first = slot.rows_at[q * part_count + peer.first_part];
      const std::uint64_t end = slot.rows_at[q * part_count + peer.end_part];
      const auto buffer = gradients_in_.span().subspan(first * dim_, (end - first) * dim_);
      const int tag = kGradientTag + first_own + static_cast<int>(q);
      if (end > first) gradient_transfers_.push_back(comm_.receive(std::as_writable_bytes(buffer), peer.rank, tag));
    }
  }
  for (const Peer& peer : peers_) {
    if (is_self(peer)) continue;
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q) {
      std::uint64_t rows = 0;
      for (std::size_t p = 0; p < own_parts(); ++p) rows += slot.requests[p]->count(PartId(q));
      const auto block = gradients_out_.span().subspan(gradient_out_at_[q] * dim_, rows * dim_);
      const auto message = std::as_bytes(block);
      const int tag = kGradientTag + static_cast<int>(q);
      if (rows > 0) gradient_transfers_.push_back(comm_.send(message, message.size(), peer.rank, tag));
    }
  }
  for (comm::Request& transfer : gradient_transfers_) transfer.wait();
  gradient_transfers_.clear();
}

RowsExchange::Arrived RowsExchange::arrived(std::size_t slot_index, std::size_t own_part) const {
  const Slot& slot = slots_[slot_index];
  const std::uint32_t part_count = shard_.manifest.part_count();
  const std::uint64_t first = slot.rows_at[own_part * part_count];
  const std::uint64_t end = slot.rows_at[(own_part + 1) * part_count];
  return {slot.rows.span().subspan(first, end - first), {gradients_in_.data() + first * dim_, end - first, dim_, dim_}};
}

}  // namespace tessera::exchange
