// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows_exchange.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::exchange {
namespace {

using memory::Tag;

enum MessageTag : int { kRequestTag = 1, kFlagTag = 2, kRowTag = 3, kPatchTag = 4 };

}  // namespace

RowsExchange::RowsExchange(comm::Communicator& comm, const graph::Shard& shard, model::Parameters& parameters,
                           const Capacity& capacity, bool stale, memory::Pool& pool)
    : comm_(comm), shard_(shard), parameters_(parameters), stale_(stale), dim_(parameters.dim()) {
  const std::uint32_t part_count = shard.manifest.part_count();
  for (std::int32_t r = 0; r < comm.size(); ++r)
    peers_.push_back({Rank(r), shard.placement.first_part(Rank(r)).value(), shard.placement.end_part(Rank(r)).value()});
  const Peer& self = peers_[static_cast<std::size_t>(comm.rank().value())];

  std::uint64_t own_remote = 0;    // rows of other parts that this rank's parts need
  std::uint64_t other_remote = 0;  // rows that other parts may need of this rank
  std::uint64_t own_own = 0;
  for (std::uint32_t p = 0; p < part_count; ++p) {
    const bool own = p >= self.first_part && p < self.end_part;
    (own ? own_remote : other_remote) += capacity.remote[p];
    if (own) own_own += capacity.own[p];
  }
  std::uint64_t own_rows = 0;
  for (const auto& table : parameters.parts()) {
    own_rows += table.rows.rows;
    changed_in_.push_back(pool.allocate<std::uint32_t>(Tag::kExchange, table.rows.rows));
    std::uint64_t arrivals = 0;
    for (std::uint32_t p = 0; p < part_count; ++p)
      arrivals +=
          std::min<std::uint64_t>(table.rows.rows, PartId(p) == table.part ? capacity.own[p] : capacity.remote[p]);
    arrival_capacity_.push_back(arrivals);
  }
  std::uint64_t to_others = 0;  // each part asks for a row at most once
  for (std::uint32_t p = 0; p < part_count; ++p)
    if (p < self.first_part || p >= self.end_part) to_others += std::min(capacity.remote[p], own_rows);

  const auto bound = [&](const Peer& requester, const Peer& owner) {  // words of a request; both sides know it
    const std::uint64_t rows = shard.manifest.offsets[owner.end_part] - shard.manifest.offsets[owner.first_part];
    std::uint64_t words = std::uint64_t{requester.parts()} * owner.parts();
    for (std::uint32_t p = requester.first_part; p < requester.end_part; ++p)
      words += std::min(capacity.remote[p], rows);
    return words;
  };
  for (const Peer& peer : peers_) request_bound_.push_back(bound(self, peer));
  const std::uint64_t headers = std::uint64_t{part_count} * self.parts();
  for (std::size_t s = 0; s < kSlots; ++s) {
    Slot slot;
    slot.sent = pool.allocate<std::uint32_t>(Tag::kExchange, headers + own_remote + own_own);
    slot.received = pool.allocate<std::uint32_t>(Tag::kExchange, headers + to_others);
    slot.rows = pool.allocate<std::uint32_t>(Tag::kExchange, own_own + own_remote + to_others);
    slot.sent_at.assign(peers_.size() + 1, 0);
    slot.received_at.assign(peers_.size() + 1, 0);
    for (std::size_t i = 0; i < peers_.size(); ++i)
      slot.received_at[i + 1] = slot.received_at[i] + (is_self(peers_[i]) ? 0 : bound(peers_[i], self));
    slot.rows_at.assign(own_parts() * part_count + 1, 0);
    slot.transfers.reserve(2 * peers_.size());
    slots_.push_back(std::move(slot));
  }
  rows_out_ = pool.allocate<float>(Tag::kExchange, (to_others + (stale ? own_remote : 0)) * dim_);
  rows_in_ = pool.allocate<float>(Tag::kExchange, own_remote * dim_);
  flags_out_ = pool.allocate<std::uint8_t>(Tag::kExchange, to_others + (stale ? own_remote : 0));
  flags_in_ = pool.allocate<std::uint8_t>(Tag::kExchange, own_remote);
  gradients_out_ = pool.allocate<float>(Tag::kGradients, own_remote * dim_);
  gradients_in_ = pool.allocate<float>(Tag::kGradients, (own_own + own_remote + to_others) * dim_);
  out_at_.assign(peers_.size() + 1, 0);
  in_at_.assign(peers_.size() + 1, 0);
  unchanging_in_.assign(peers_.size(), 0);
  gradient_out_at_.assign(own_parts() * part_count, 0);
  flag_transfers_.reserve(2 * peers_.size());
  row_receives_.resize(peers_.size());
  row_sends_.reserve(2 * peers_.size());
  gradient_transfers_.reserve(2 * part_count);
}

// ---- requests

std::uint64_t RowsExchange::pack_request(const Slot& slot, const Peer& peer, std::span<std::uint32_t> out) const {
  std::uint64_t at = slot.requests.size() * peer.parts();
  for (std::size_t p = 0; p < slot.requests.size(); ++p) {
    const RowRequests& requests = *slot.requests[p];
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q) {
      const std::uint32_t begin = requests.owner_begin(PartId(q));
      const std::uint32_t count = requests.count(PartId(q));
      out[p * peer.parts() + (q - peer.first_part)] = count;
      for (std::uint32_t u = begin; u < begin + count; ++u)
        out[at++] = static_cast<std::uint32_t>(requests.entities()[u] - shard_.manifest.offsets[q]);
    }
  }
  return at;
}

void RowsExchange::post_requests(std::size_t slot_index, std::span<RowRequests* const> requests) {
  Slot& slot = slots_[slot_index];
  slot.requests = requests;
  slot.transfers.clear();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (is_self(peers_[i])) continue;
    const auto buffer =
        slot.received.span().subspan(slot.received_at[i], slot.received_at[i + 1] - slot.received_at[i]);
    slot.transfers.push_back(comm_.receive(std::as_writable_bytes(buffer), peers_[i].rank, kRequestTag));
  }
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const std::uint64_t words = pack_request(slot, peers_[i], slot.sent.span().subspan(slot.sent_at[i]));
    slot.sent_at[i + 1] = slot.sent_at[i] + words;
    if (is_self(peers_[i])) continue;
    const auto message = std::as_bytes(slot.sent.span().subspan(slot.sent_at[i], words));
    slot.transfers.push_back(
        comm_.send(message, request_bound_[i] * sizeof(std::uint32_t), peers_[i].rank, kRequestTag));
  }
}

void RowsExchange::finish_requests(std::size_t slot_index) {
  Slot& slot = slots_[slot_index];
  for (comm::Request& transfer : slot.transfers) transfer.wait();
  slot.transfers.clear();
  parse_requests(slot);
}

void RowsExchange::parse_requests(Slot& slot) {
  const std::uint32_t part_count = shard_.manifest.part_count();
  const auto message = [&](std::size_t i) {
    return is_self(peers_[i]) ? slot.sent.span().subspan(slot.sent_at[i])
                              : slot.received.span().subspan(slot.received_at[i]);
  };
  // Counts first, so that the entries of one owned part lie together, requesting parts in order.
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const auto header = message(i);
    for (std::uint32_t p = 0; p < peers_[i].parts(); ++p)
      for (std::size_t q = 0; q < own_parts(); ++q)
        slot.rows_at[q * part_count + peers_[i].first_part + p + 1] = header[p * own_parts() + q];
  }
  for (std::size_t k = 0; k + 1 < slot.rows_at.size(); ++k) slot.rows_at[k + 1] += slot.rows_at[k];
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const auto words = message(i);
    std::uint64_t at = peers_[i].parts() * own_parts();
    for (std::uint32_t p = peers_[i].first_part; p < peers_[i].end_part; ++p)
      for (std::size_t q = 0; q < own_parts(); ++q) {
        const std::uint64_t first = slot.rows_at[q * part_count + p];
        const std::uint64_t count = slot.rows_at[q * part_count + p + 1] - first;
        std::memcpy(slot.rows.data() + first, words.data() + at, count * sizeof(std::uint32_t));
        at += count;
      }
  }
}

std::span<const std::uint32_t> RowsExchange::asked(const Slot& slot, std::size_t own_part,
                                                   std::uint32_t requester) const {
  const std::uint64_t k = own_part * shard_.manifest.part_count() + requester;
  return slot.rows.span().subspan(slot.rows_at[k], slot.rows_at[k + 1] - slot.rows_at[k]);
}

std::uint64_t RowsExchange::rows_for_peer(const Slot& slot, const Peer& peer) const {
  std::uint64_t rows = 0;
  for (std::uint32_t p = peer.first_part; p < peer.end_part; ++p)
    for (std::size_t q = 0; q < own_parts(); ++q)
      if (parameters_.parts()[q].part != PartId(p)) rows += asked(slot, q, p).size();
  return rows;
}

std::uint64_t RowsExchange::rows_from_peer(const Slot& slot, const Peer& peer) const {
  std::uint64_t rows = 0;
  for (std::size_t p = 0; p < own_parts(); ++p)
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q)
      if (parameters_.parts()[p].part != PartId(q)) rows += slot.requests[p]->count(PartId(q));
  return rows;
}

// ---- rows

// Visits what a peer asked of this rank in the order of its message: requesting parts, then owned parts, then rows.
template <class Visit>
void RowsExchange::for_each_row_to(const Slot& slot, const Peer& peer, const Visit& visit) const {
  for (std::uint32_t p = peer.first_part; p < peer.end_part; ++p)
    for (std::size_t q = 0; q < own_parts(); ++q) {
      if (parameters_.parts()[q].part == PartId(p)) continue;
      for (const std::uint32_t row : asked(slot, q, p)) visit(q, row);
    }
}

void RowsExchange::mark_changing(const Slot& slot) {
  ++stamp_;
  const std::uint32_t part_count = shard_.manifest.part_count();
  for (std::size_t q = 0; q < own_parts(); ++q)
    for (std::uint32_t p = 0; p < part_count; ++p)
      for (const std::uint32_t row : asked(slot, q, p)) changed_in_[q][row] = stamp_;
}

void RowsExchange::begin_rows(std::size_t slot_index, std::size_t changing) {
  const Slot& slot = slots_[slot_index];
  if (changing != kNone && !stale_)
    mark_changing(slots_[changing]);
  else
    ++stamp_;  // no row carries it: everything may leave now
  flag_transfers_.clear();
  row_sends_.clear();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const bool local = is_self(peers_[i]);
    out_at_[i + 1] = out_at_[i] + (local && !stale_ ? 0 : rows_for_peer(slot, peers_[i]));
    in_at_[i + 1] = in_at_[i] + rows_from_peer(slot, peers_[i]);
    if (!local) receive_unchanging(slot, i);
  }
  for (std::size_t i = 0; i < peers_.size(); ++i)
    if (!is_self(peers_[i]) || stale_) send_unchanging(slot, i);
}

void RowsExchange::receive_unchanging(const Slot& /*slot*/, std::size_t peer) {
  const std::uint64_t rows = in_at_[peer + 1] - in_at_[peer];
  if (rows == 0) return;
  const auto flags = flags_in_.span().subspan(in_at_[peer], rows);
  flag_transfers_.push_back(comm_.receive(std::as_writable_bytes(flags), peers_[peer].rank, kFlagTag));
  const auto buffer = rows_in_.span().subspan(in_at_[peer] * dim_, rows * dim_);
  row_receives_[peer] = comm_.receive(std::as_writable_bytes(buffer), peers_[peer].rank, kRowTag);
}

void RowsExchange::send_unchanging(const Slot& slot, std::size_t peer) {
  const std::uint64_t rows = out_at_[peer + 1] - out_at_[peer];
  if (rows == 0) return;
  float* out = rows_out_.data() + out_at_[peer] * dim_;
  std::uint8_t* flag = flags_out_.data() + out_at_[peer];
  std::uint64_t sent = 0;
  for_each_row_to(slot, peers_[peer], [&](std::size_t q, std::uint32_t row) {
    const bool changing = changed_in_[q][row] == stamp_;
    *flag++ = changing ? 1 : 0;
    if (!changing) std::memcpy(out + dim_ * sent++, parameters_.parts()[q].rows.row(row), dim_ * sizeof(float));
  });
  if (is_self(peers_[peer])) return;  // stays here until finish_rows
  const auto flags = std::as_bytes(flags_out_.span().subspan(out_at_[peer], rows));
  row_sends_.push_back(comm_.send(flags, flags.size(), peers_[peer].rank, kFlagTag));
  const auto message = std::as_bytes(rows_out_.span().subspan(out_at_[peer] * dim_, sent * dim_));
  row_sends_.push_back(comm_.send(message, rows * dim_ * sizeof(float), peers_[peer].rank, kRowTag));
}

void RowsExchange::patch_rows(std::size_t slot_index) {
  const Slot& slot = slots_[slot_index];
  for (comm::Request& transfer : flag_transfers_) transfer.wait();
  flag_transfers_.clear();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const std::uint64_t rows = in_at_[i + 1] - in_at_[i];
    if (is_self(peers_[i]) || rows == 0) continue;
    unchanging_in_[i] = row_receives_[i].wait() / (dim_ * sizeof(float));
    if (unchanging_in_[i] == rows) continue;
    const auto buffer =
        rows_in_.span().subspan((in_at_[i] + unchanging_in_[i]) * dim_, (rows - unchanging_in_[i]) * dim_);
    row_receives_[i] = comm_.receive(std::as_writable_bytes(buffer), peers_[i].rank, kPatchTag);
  }
  for (std::size_t i = 0; i < peers_.size(); ++i)
    if (!is_self(peers_[i])) send_patches(slot, i);
}

void RowsExchange::send_patches(const Slot& slot, std::size_t peer) {
  const std::uint64_t rows = out_at_[peer + 1] - out_at_[peer];
  const std::uint8_t* flag = flags_out_.data() + out_at_[peer];
  const auto changing = static_cast<std::uint64_t>(std::count(flag, flag + rows, 1));
  if (changing == 0) return;
  float* out = rows_out_.data() + (out_at_[peer + 1] - changing) * dim_;
  const auto message = std::as_bytes(std::span(out, changing * dim_));
  for_each_row_to(slot, peers_[peer], [&](std::size_t q, std::uint32_t row) {
    if (*flag++ == 0) return;
    std::memcpy(out, parameters_.parts()[q].rows.row(row), dim_ * sizeof(float));
    out += dim_;
  });
  row_sends_.push_back(comm_.send(message, message.size(), peers_[peer].rank, kPatchTag));
}

void RowsExchange::finish_rows(std::size_t slot_index) {
  const Slot& slot = slots_[slot_index];
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (is_self(peers_[i])) continue;
    if (row_receives_[i].active()) row_receives_[i].wait();
    place_rows(slot, i);
  }
  copy_within_rank(slot);
  for (comm::Request& transfer : row_sends_) transfer.wait();
  row_sends_.clear();
  lay_out_gradients(slot);
}

void RowsExchange::place_rows(const Slot& slot, std::size_t peer) {
  const float* still = rows_in_.data() + in_at_[peer] * dim_;
  const float* patched = still + unchanging_in_[peer] * dim_;
  const std::uint8_t* flag = flags_in_.data() + in_at_[peer];
  for (std::size_t p = 0; p < own_parts(); ++p) {
    const model::PartTable& table = parameters_.parts()[p];
    for (std::uint32_t q = peers_[peer].first_part; q < peers_[peer].end_part; ++q) {
      const std::uint64_t first = slot.requests[p]->halo_row(PartId(q));
      for (std::uint32_t i = 0; i < slot.requests[p]->count(PartId(q)); ++i) {
        const float*& from = *flag++ != 0 ? patched : still;
        std::memcpy(table.rows_and_spare.row(first + i), from, dim_ * sizeof(float));
        from += dim_;
      }
    }
  }
}

// Between parts of this rank: from the table itself, or with staleness from the copy that begin_rows took.
void RowsExchange::copy_within_rank(const Slot& slot) {
  const auto self = static_cast<std::size_t>(comm_.rank().value());
  const float* copy = rows_out_.data() + out_at_[self] * dim_;
  for (std::size_t p = 0; p < own_parts(); ++p) {
    const model::PartTable& table = parameters_.parts()[p];
    for (std::size_t q = 0; q < own_parts(); ++q) {
      const model::PartTable& owner = parameters_.parts()[q];
      if (p == q) continue;
      std::uint64_t to = slot.requests[p]->halo_row(owner.part);
      for (const std::uint32_t row : asked(slot, q, table.part.value())) {
        std::memcpy(table.rows_and_spare.row(to++), stale_ ? copy : owner.rows.row(row), dim_ * sizeof(float));
        copy += stale_ ? dim_ : 0;
      }
    }
  }
}

}  // namespace tessera::exchange
