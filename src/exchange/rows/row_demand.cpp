// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows/row_demand.hpp"

#include "comm/message_tags.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::exchange {

using memory::Tag;

RowTotals row_totals(const graph::Shard& shard, const RowSizes& sizes) {
  RowTotals totals;
  const std::uint32_t first = shard.parts.front().id().value();
  const auto end = static_cast<std::uint32_t>(first + shard.parts.size());
  std::uint64_t own_rows = 0;
  for (const graph::Part& part : shard.parts) own_rows += part.rows();
  for (std::uint32_t p = 0; p < shard.manifest.part_count(); ++p) {
    if (p >= first && p < end) {
      totals.remote += sizes.remote[p];
      totals.own += sizes.own[p];
    } else {
      totals.requested += std::min(sizes.remote[p], own_rows);  // each part asks for a row at most once
    }
  }
  totals.arriving = totals.own + totals.remote + totals.requested;
  for (const graph::Part& part : shard.parts) {
    std::uint64_t rows = 0;
    for (std::uint32_t p = 0; p < shard.manifest.part_count(); ++p)
      rows += std::min<std::uint64_t>(part.rows(), PartId(p) == part.id() ? sizes.own[p] : sizes.remote[p]);
    totals.arriving_at.push_back(rows);
  }
  return totals;
}

RowDemand::RowDemand(comm::Communicator& comm, const graph::Shard& shard, const RowSizes& sizes, memory::Pool& pool)
    : comm_(comm),
      manifest_(shard.manifest),
      rank_(comm.rank()),
      part_count_(shard.manifest.part_count()),
      first_own_(shard.parts.front().id().value()),
      own_parts_(shard.parts.size()),
      totals_(row_totals(shard, sizes)) {
  for (std::int32_t r = 0; r < comm.size(); ++r)
    peers_.push_back({Rank(r), shard.placement.first_part(Rank(r)).value(), shard.placement.end_part(Rank(r)).value()});
  const Peer& self = peers_[static_cast<std::size_t>(rank_.value())];
  for (const Peer& peer : peers_) message_words_.push_back(message_words(self, peer, sizes));
  for (std::size_t s = 0; s < kSlots; ++s) add_slot(sizes, pool);
}

// Most words of a request; both sides know it.
std::uint64_t RowDemand::message_words(const Peer& requester, const Peer& owner, const RowSizes& sizes) const {
  const std::uint64_t rows = manifest_.offsets[owner.end_part] - manifest_.offsets[owner.first_part];
  std::uint64_t words = std::uint64_t{requester.parts()} * owner.parts();
  for (std::uint32_t p = requester.first_part; p < requester.end_part; ++p) words += std::min(sizes.remote[p], rows);
  return words;
}

void RowDemand::add_slot(const RowSizes& sizes, memory::Pool& pool) {
  const Peer& self = peers_[static_cast<std::size_t>(rank_.value())];
  const std::uint64_t headers = std::uint64_t{part_count_} * own_parts_;
  Slot slot;
  slot.sent = pool.allocate<std::uint32_t>(Tag::kExchange, headers + totals_.remote + totals_.own);
  slot.received = pool.allocate<std::uint32_t>(Tag::kExchange, headers + totals_.requested);
  slot.rows = pool.allocate<std::uint32_t>(Tag::kExchange, totals_.arriving);
  slot.sent_at.assign(peers_.size() + 1, 0);
  slot.received_at.assign(peers_.size() + 1, 0);
  for (std::size_t i = 0; i < peers_.size(); ++i)
    slot.received_at[i + 1] = slot.received_at[i] + (is_self(peers_[i]) ? 0 : message_words(peers_[i], self, sizes));
  slot.rows_at.assign(own_parts_ * part_count_ + 1, 0);
  slot.transfers.reserve(2 * peers_.size());
  slots_.push_back(std::move(slot));
}

std::span<const std::uint32_t> RowDemand::asked(std::size_t slot, std::size_t own_part, std::uint32_t requester) const {
  const std::uint64_t first = asked_begin(slot, own_part, requester);
  return slots_[slot].rows.span().subspan(first, asked_begin(slot, own_part, requester + 1) - first);
}

std::span<const std::uint32_t> RowDemand::asked(std::size_t slot, std::size_t own_part) const {
  const std::uint64_t first = asked_begin(slot, own_part, 0);
  return slots_[slot].rows.span().subspan(first, asked_begin(slot, own_part, part_count_) - first);
}

// ---- messages

std::uint64_t RowDemand::pack(const Slot& slot, const Peer& peer, std::span<std::uint32_t> out) const {
  std::uint64_t at = slot.requests.size() * peer.parts();
  for (std::size_t p = 0; p < slot.requests.size(); ++p) {
    const RowRequests& requests = *slot.requests[p];
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q) {
      const std::uint32_t begin = requests.owner_begin(PartId(q));
      const std::uint32_t count = requests.count(PartId(q));
      out[p * peer.parts() + (q - peer.first_part)] = count;
      for (std::uint32_t u = begin; u < begin + count; ++u)
        out[at++] = static_cast<std::uint32_t>(requests.entities()[u] - manifest_.offsets[q]);
    }
  }
  return at;
}

void RowDemand::post(std::size_t slot_index, std::span<RowRequests* const> requests) {
  Slot& slot = slots_[slot_index];
  slot.requests = requests;
  slot.transfers.clear();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (is_self(peers_[i])) continue;
    const auto buffer =
        slot.received.span().subspan(slot.received_at[i], slot.received_at[i + 1] - slot.received_at[i]);
    slot.transfers.push_back(
        comm_.receive(std::as_writable_bytes(buffer), peers_[i].rank, comm::message_tag::kRowRequests));
  }
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const std::uint64_t words = pack(slot, peers_[i], slot.sent.span().subspan(slot.sent_at[i]));
    slot.sent_at[i + 1] = slot.sent_at[i] + words;
    if (is_self(peers_[i])) continue;
    const auto message = std::as_bytes(slot.sent.span().subspan(slot.sent_at[i], words));
    slot.transfers.push_back(comm_.send(message, message_words_[i] * sizeof(std::uint32_t), peers_[i].rank,
                                        comm::message_tag::kRowRequests));
  }
}

void RowDemand::finish(std::size_t slot_index) {
  Slot& slot = slots_[slot_index];
  for (comm::Request& transfer : slot.transfers) transfer.wait();
  slot.transfers.clear();
  count_rows(slot);
  place_rows(slot);
}

std::span<const std::uint32_t> RowDemand::message(const Slot& slot, std::size_t peer) const {
  return is_self(peers_[peer]) ? slot.sent.span().subspan(slot.sent_at[peer])
                               : slot.received.span().subspan(slot.received_at[peer]);
}

void RowDemand::count_rows(Slot& slot) const {
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const auto header = message(slot, i);
    for (std::uint32_t p = 0; p < peers_[i].parts(); ++p)
      for (std::size_t q = 0; q < own_parts_; ++q)
        slot.rows_at[q * part_count_ + peers_[i].first_part + p + 1] = header[p * own_parts_ + q];
  }
  for (std::size_t k = 0; k + 1 < slot.rows_at.size(); ++k) slot.rows_at[k + 1] += slot.rows_at[k];
}

// The entries of an owned part lie together, requesters in order.
void RowDemand::place_rows(Slot& slot) const {
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const auto words = message(slot, i);
    std::uint64_t at = peers_[i].parts() * own_parts_;
    for (std::uint32_t p = peers_[i].first_part; p < peers_[i].end_part; ++p)
      for (std::size_t q = 0; q < own_parts_; ++q) {
        const std::uint64_t first = slot.rows_at[q * part_count_ + p];
        const std::uint64_t count = slot.rows_at[q * part_count_ + p + 1] - first;
        std::memcpy(slot.rows.data() + first, words.data() + at, count * sizeof(std::uint32_t));
        at += count;
      }
  }
}

}  // namespace tessera::exchange
