// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows/early_halo_rows.hpp"

#include "comm/message_tags.hpp"
#include "kernels/backend.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::exchange {

using memory::Tag;
namespace message_tag = comm::message_tag;

EarlyHaloRows::EarlyHaloRows(const Setup& setup, memory::Pool& pool)
    : comm_(setup.comm),
      demand_(setup.demand),
      tables_(setup.tables.begin(), setup.tables.end()),
      stale_(setup.stale),
      format_(tables_.front().is_fp32() ? setup.format : tables_.front().format),
      is_rounded_(format_ != tables_.front().format),
      row_bytes_(kernels::row_bytes(format_, tables_.front().cols)),
      one_(is_rounded_ ? row_bytes_ : 0) {
  const RowTotals& totals = demand_.totals();
  const std::uint64_t out = totals.requested + (stale_ ? totals.remote : 0);
  rows_out_ = pool.allocate<std::byte>(Tag::kExchange, out * row_bytes_);
  rows_in_ = pool.allocate<std::byte>(Tag::kExchange, totals.remote * row_bytes_);
  flags_out_ = pool.allocate<std::uint8_t>(Tag::kExchange, out);
  flags_in_ = pool.allocate<std::uint8_t>(Tag::kExchange, totals.remote);
  for (const graph::Part& part : setup.shard.parts)
    changed_in_.push_back(pool.allocate<std::uint32_t>(Tag::kExchange, part.rows()));
  const std::size_t peers = demand_.peers().size();
  out_at_.assign(peers + 1, 0);
  in_at_.assign(peers + 1, 0);
  unchanging_in_.assign(peers, 0);
  flag_receives_.reserve(peers);
  row_receives_.resize(peers);
  sends_.reserve(3 * peers);
}

std::uint64_t EarlyHaloRows::rows_to(std::size_t slot, const Peer& peer) const {
  std::uint64_t rows = 0;
  for (std::uint32_t p = peer.first_part; p < peer.end_part; ++p)
    for (std::size_t q = 0; q < demand_.own_parts(); ++q)
      if (demand_.first_own() + q != p) rows += demand_.asked(slot, q, p).size();
  return rows;
}

std::uint64_t EarlyHaloRows::rows_from(std::size_t slot, const Peer& peer) const {
  std::uint64_t rows = 0;
  for (std::size_t p = 0; p < demand_.own_parts(); ++p)
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q)
      if (demand_.first_own() + p != q) rows += demand_.needed(slot, p).count(PartId(q));
  return rows;
}

// Visits the rows that a peer asked of this rank, in the order of its message: requesting parts, then owned parts, then
// rows.
template <class Visit>
void EarlyHaloRows::for_each_row_to(std::size_t slot, const Peer& peer, const Visit& visit) const {
  for (std::uint32_t p = peer.first_part; p < peer.end_part; ++p)
    for (std::size_t q = 0; q < demand_.own_parts(); ++q) {
      if (demand_.first_own() + q == p) continue;
      for (const std::uint32_t row : demand_.asked(slot, q, p)) visit(q, row);
    }
}

void EarlyHaloRows::take(std::size_t own_part, std::size_t row, std::byte* out) const {
  const kernels::StoredRows& table = tables_[own_part];
  if (is_rounded_) {
    const kernels::StoredRows rounded(format_, out, 1, table.cols, row_bytes_);
    return kernels::cpu_backend().rows.encode(table.block(row, 1).matrix(), rounded);
  }
  if (table.hot.rows == 0) {
    std::memcpy(out, table.row(row), row_bytes_);
    return;
  }
  const auto index = static_cast<std::uint32_t>(row);
  kernels::cpu_backend().rows.take(table, std::span(&index, 1), {table.format, out, 1, table.cols, row_bytes_});
}

void EarlyHaloRows::place(const std::byte* from, std::size_t own_part, std::size_t row) const {
  const kernels::StoredRows& table = tables_[own_part];
  if (!is_rounded_) {
    std::memcpy(table.row(row), from, row_bytes_);
    return;
  }
  const kernels::ConstStoredRows rounded(format_, from, 1, table.cols, row_bytes_);
  kernels::cpu_backend().rows.decode(rounded, table.block(row, 1).matrix());
}

// ---- before a step computes

void EarlyHaloRows::mark_changing(std::size_t slot) {
  ++stamp_;
  for (std::size_t q = 0; q < demand_.own_parts(); ++q)
    for (const std::uint32_t row : demand_.asked(slot, q)) changed_in_[q][row] = stamp_;
}

void EarlyHaloRows::begin(std::size_t slot, std::size_t changing, const Lists& /*lists*/) {
  if (changing != kNone && !stale_)
    mark_changing(changing);
  else
    ++stamp_;  // no row carries it: everything may leave now
  flag_receives_.clear();
  sends_.clear();
  const auto peers = demand_.peers();
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const bool local = demand_.is_self(peers[i]);
    out_at_[i + 1] = out_at_[i] + (local && !stale_ ? 0 : rows_to(slot, peers[i]));
    in_at_[i + 1] = in_at_[i] + rows_from(slot, peers[i]);
    if (!local) receive_unchanging(i);
  }
  for (std::size_t i = 0; i < peers.size(); ++i)
    if (!demand_.is_self(peers[i]) || stale_) send_unchanging(slot, i);
}

void EarlyHaloRows::receive_unchanging(std::size_t peer) {
  const std::uint64_t rows = in_at_[peer + 1] - in_at_[peer];
  if (rows == 0) return;
  const Rank from = demand_.peers()[peer].rank;
  const auto flags = flags_in_.span().subspan(in_at_[peer], rows);
  flag_receives_.push_back(comm_.receive(std::as_writable_bytes(flags), from, message_tag::kRowFlags));
  const auto buffer = rows_in_.span().subspan(in_at_[peer] * row_bytes_, rows * row_bytes_);
  row_receives_[peer] = comm_.receive(buffer, from, message_tag::kRows);
}

void EarlyHaloRows::send_unchanging(std::size_t slot, std::size_t peer) {
  const std::uint64_t rows = out_at_[peer + 1] - out_at_[peer];
  if (rows == 0) return;
  const Peer& to = demand_.peers()[peer];
  std::byte* out = rows_out_.data() + out_at_[peer] * row_bytes_;
  std::uint8_t* flag = flags_out_.data() + out_at_[peer];
  std::uint64_t sent = 0;
  for_each_row_to(slot, to, [&](std::size_t q, std::uint32_t row) {
    const bool changing = changed_in_[q][row] == stamp_;
    *flag++ = changing ? 1 : 0;
    if (!changing) take(q, row, out + row_bytes_ * sent++);
  });
  if (demand_.is_self(to)) return;  // stays here until finish()
  const auto flags = std::as_bytes(flags_out_.span().subspan(out_at_[peer], rows));
  sends_.push_back(comm_.send(flags, flags.size(), to.rank, message_tag::kRowFlags));
  const auto message = rows_out_.span().subspan(out_at_[peer] * row_bytes_, sent * row_bytes_);
  sends_.push_back(comm_.send(message, rows * row_bytes_, to.rank, message_tag::kRows));
}

// ---- after its update

void EarlyHaloRows::patch(std::size_t slot, const Lists& /*lists*/) {
  for (comm::Request& transfer : flag_receives_) transfer.wait();
  flag_receives_.clear();
  const auto peers = demand_.peers();
  for (std::size_t i = 0; i < peers.size(); ++i)
    if (!demand_.is_self(peers[i])) receive_held_back(i);
  for (std::size_t i = 0; i < peers.size(); ++i)
    if (!demand_.is_self(peers[i])) send_held_back(slot, i);
}

void EarlyHaloRows::receive_held_back(std::size_t peer) {
  const std::uint64_t rows = in_at_[peer + 1] - in_at_[peer];
  if (rows == 0) return;
  unchanging_in_[peer] = row_receives_[peer].wait() / row_bytes_;
  if (unchanging_in_[peer] == rows) return;
  const auto buffer = rows_in_.span().subspan((in_at_[peer] + unchanging_in_[peer]) * row_bytes_,
                                              (rows - unchanging_in_[peer]) * row_bytes_);
  row_receives_[peer] = comm_.receive(buffer, demand_.peers()[peer].rank, message_tag::kRowsHeldBack);
}

void EarlyHaloRows::send_held_back(std::size_t slot, std::size_t peer) {
  const std::uint64_t rows = out_at_[peer + 1] - out_at_[peer];
  const Peer& to = demand_.peers()[peer];
  const std::uint8_t* flag = flags_out_.data() + out_at_[peer];
  const auto changing = static_cast<std::uint64_t>(std::count(flag, flag + rows, 1));
  if (changing == 0) return;
  std::byte* out = rows_out_.data() + (out_at_[peer + 1] - changing) * row_bytes_;
  const auto message = std::span(out, changing * row_bytes_);
  for_each_row_to(slot, to, [&](std::size_t q, std::uint32_t row) {
    if (*flag++ == 0) return;
    take(q, row, out);
    out += row_bytes_;
  });
  sends_.push_back(comm_.send(message, message.size(), to.rank, message_tag::kRowsHeldBack));
}

// ---- before the next step computes

void EarlyHaloRows::finish(std::size_t slot) {
  const auto peers = demand_.peers();
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (demand_.is_self(peers[i])) continue;
    if (row_receives_[i].active()) row_receives_[i].wait();
    place_rows(slot, i);
  }
  copy_within_rank(slot);
  for (comm::Request& transfer : sends_) transfer.wait();
  sends_.clear();
}

void EarlyHaloRows::place_rows(std::size_t slot, std::size_t peer) {
  const std::byte* still = rows_in_.data() + in_at_[peer] * row_bytes_;
  const std::byte* held_back = still + unchanging_in_[peer] * row_bytes_;
  const std::uint8_t* flag = flags_in_.data() + in_at_[peer];
  const Peer& from_peer = demand_.peers()[peer];
  for (std::size_t p = 0; p < demand_.own_parts(); ++p) {
    const RowRequests& needed = demand_.needed(slot, p);
    for (std::uint32_t q = from_peer.first_part; q < from_peer.end_part; ++q) {
      const std::uint64_t first = needed.halo_row(PartId(q));
      for (std::uint32_t i = 0; i < needed.count(PartId(q)); ++i) {
        const std::byte*& from = *flag++ != 0 ? held_back : still;
        place(from, p, first + i);
        from += row_bytes_;
      }
    }
  }
}

// Between parts of this rank: from the table itself, or with staleness from the copy that begin() took.
void EarlyHaloRows::copy_within_rank(std::size_t slot) {
  const auto self = static_cast<std::size_t>(comm_.rank().value());
  const std::byte* copy = rows_out_.data() + out_at_[self] * row_bytes_;
  for (std::size_t p = 0; p < demand_.own_parts(); ++p) {
    const auto requester = static_cast<std::uint32_t>(demand_.first_own() + p);
    for (std::size_t q = 0; q < demand_.own_parts(); ++q) {
      if (p == q) continue;
      const PartId owner(static_cast<std::uint32_t>(demand_.first_own() + q));
      std::uint64_t to = demand_.needed(slot, p).halo_row(owner);
      for (const std::uint32_t row : demand_.asked(slot, q, requester)) {
        if (stale_) {
          place(copy, p, to++);
          copy += row_bytes_;
        } else if (is_rounded_) {
          take(q, row, one_.data());
          place(one_.data(), p, to++);
        } else {
          take(q, row, tables_[p].row(to++));
        }
      }
    }
  }
}

}  // namespace tessera::exchange
