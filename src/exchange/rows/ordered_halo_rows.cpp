// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows/ordered_halo_rows.hpp"

#include "core/error.hpp"
#include "exchange/bytes.hpp"

namespace tessera::exchange {

using execution::Space;
using memory::Tag;

namespace {

constexpr std::size_t kBlockRows = 256;

}  // namespace

template <Space kSpace>
OrderedHaloRows<kSpace>::OrderedHaloRows(const Setup& setup, const RowSizes& sizes)
    : executor_(setup.executor),
      memory_(setup.memory),
      shard_(setup.shard),
      demand_(setup.demand),
      tables_(setup.tables.begin(), setup.tables.end()),
      transport_(setup.transport),
      stale_(setup.stale),
      is_rounded_(tables_.front().is_fp32() && setup.format != kernels::RowFormat::kFp32) {
  TESSERA_ASSERT(demand_.peers().size() == 1 || transport_ != nullptr, "several ranks need a transport");
  const kernels::RowFormat stored = tables_.front().format;
  out_ = allocate(stored, demand_.totals().requested);
  if (stale_)
    for (const graph::Part& part : shard_.parts) in_.push_back(allocate(stored, sizes.remote[part.id().index()]));
  if (is_rounded_) {
    rounded_out_ = allocate(setup.format, demand_.totals().requested);
    rounded_in_ = allocate(setup.format, demand_.totals().remote);
    std::uint64_t at = 0;
    for (const graph::Part& part : shard_.parts) {
      rounded_at_.push_back(at);
      at += sizes.remote[part.id().index()];
    }
  }
  sends_.reserve(demand_.own_parts() * demand_.part_count());
  receives_.reserve(demand_.own_parts() * demand_.part_count());
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::begin(std::size_t slot, std::size_t /*changing*/, const Lists& lists) {
  if (stale_) exchange_rows(slot, lists);
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::patch(std::size_t slot, const Lists& lists) {
  if (!stale_) exchange_rows(slot, lists);
}

// With staleness, a step still used the halo when the rows came.
template <Space kSpace>
void OrderedHaloRows<kSpace>::finish(std::size_t slot) {
  if (!stale_) return;
  for (std::size_t p = 0; p < tables_.size(); ++p) {
    const std::uint64_t rows = halo_size(slot, p);
    take(in_[p].block(0, rows), memory_.counting(rows), tables_[p].block(shard_.parts[p].rows(), rows));
  }
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::exchange_rows(std::size_t slot, const Lists& lists) {
  send_rows(slot, lists);
  receive_rows(slot);
  if (transport_ != nullptr) transport_->exchange(sends_, receives_);
  if (is_rounded_) place_rounded(slot);
  copy_within_rank(slot, lists);
}

// Gathers the rows that parts of other ranks need. Each pair of parts has one message.
template <Space kSpace>
void OrderedHaloRows<kSpace>::send_rows(std::size_t slot, const Lists& lists) {
  const auto first_own = demand_.first_own();
  const auto end_own = static_cast<std::uint32_t>(first_own + demand_.own_parts());
  sends_.clear();
  std::uint64_t at = 0;
  for (std::size_t q = 0; q < tables_.size(); ++q)
    for (const auto& [first, end] : {std::pair(0U, first_own), std::pair(end_own, demand_.part_count())}) {
      const std::uint64_t begin = demand_.asked_begin(slot, q, first);
      const std::uint64_t rows = demand_.asked_begin(slot, q, end) - begin;
      take(tables_[q], lists.asked[q].subspan(begin - demand_.asked_begin(slot, q, 0), rows), out_.block(at, rows));
      if (is_rounded_) encode(out_.block(at, rows), rounded_out_.block(at, rows));
      const StoredRows& sent = is_rounded_ ? rounded_out_ : out_;
      for (std::uint32_t p = first; p < end; ++p) {
        const std::size_t count = demand_.asked(slot, q, p).size();
        if (count > 0) sends_.push_back({bytes_of(sent.block(at, count)), shard_.placement.rank_of(PartId(p))});
        at += count;
      }
    }
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::receive_rows(std::size_t slot) {
  receives_.clear();
  for (std::uint32_t q = 0; q < demand_.part_count(); ++q) {
    if (demand_.is_own(q)) continue;
    for (std::size_t p = 0; p < tables_.size(); ++p)
      if (const StoredRows to = is_rounded_ ? rounded_place(slot, p, q) : place(slot, p, q); to.rows > 0)
        receives_.push_back({bytes_of(to), shard_.placement.rank_of(PartId(q))});
  }
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::copy_within_rank(std::size_t slot, const Lists& lists) {
  for (std::size_t q = 0; q < tables_.size(); ++q)
    for (std::size_t p = 0; p < tables_.size(); ++p) {
      if (p == q) continue;
      const auto requester = static_cast<std::uint32_t>(demand_.first_own() + p);
      const std::uint64_t first = demand_.asked_begin(slot, q, requester) - demand_.asked_begin(slot, q, 0);
      const StoredRows to = place(slot, p, static_cast<std::uint32_t>(demand_.first_own() + q));
      take(tables_[q], lists.asked[q].subspan(first, to.rows), to);
      if (!is_rounded_) continue;
      const StoredRows rounded = rounded_place(slot, p, static_cast<std::uint32_t>(demand_.first_own() + q));
      encode(to, rounded);
      decode(rounded, to);
    }
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::place_rounded(std::size_t slot) {
  for (std::uint32_t q = 0; q < demand_.part_count(); ++q)
    for (std::size_t p = 0; p < tables_.size() && !demand_.is_own(q); ++p)
      decode(rounded_place(slot, p, q), place(slot, p, q));
}

template <Space kSpace>
typename OrderedHaloRows<kSpace>::StoredRows OrderedHaloRows<kSpace>::allocate(kernels::RowFormat format,
                                                                               std::uint64_t rows) {
  const std::size_t cols = tables_.front().cols;
  const std::size_t stride = kernels::row_bytes(format, cols);
  return {format, memory_.allocate_bytes(Tag::kExchange, rows * stride).data(), rows, cols, stride};
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::encode(StoredRows rows, StoredRows rounded) const {
  executor_.for_blocks(rows.rows, kBlockRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    executor_.kernels().rows.encode(rows.block(first, count).matrix(), rounded.block(first, count));
  });
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::decode(StoredRows rounded, StoredRows rows) const {
  executor_.for_blocks(rows.rows, kBlockRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    executor_.kernels().rows.decode(rounded.block(first, count), rows.block(first, count).matrix());
  });
}

template <Space kSpace>
void OrderedHaloRows<kSpace>::take(StoredRows table, Indices rows, StoredRows out) const {
  executor_.for_blocks(rows.size(), kBlockRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    executor_.kernels().rows.take(table, rows.subspan(first, count), out.block(first, count));
  });
}

template <Space kSpace>
std::uint64_t OrderedHaloRows<kSpace>::halo_size(std::size_t slot, std::size_t own_part) const {
  const RowRequests& needed = demand_.needed(slot, own_part);
  return needed.entities().size() - needed.count(shard_.parts[own_part].id());
}

template <Space kSpace>
typename OrderedHaloRows<kSpace>::StoredRows OrderedHaloRows<kSpace>::place(std::size_t slot, std::size_t p,
                                                                            std::uint32_t owner) const {
  const RowRequests& needed = demand_.needed(slot, p);
  const std::uint64_t first = needed.halo_row(PartId(owner));
  const std::size_t rows = needed.count(PartId(owner));
  return stale_ ? in_[p].block(first - shard_.parts[p].rows(), rows) : tables_[p].block(first, rows);
}

template <Space kSpace>
typename OrderedHaloRows<kSpace>::StoredRows OrderedHaloRows<kSpace>::rounded_place(std::size_t slot, std::size_t p,
                                                                                    std::uint32_t owner) const {
  const RowRequests& needed = demand_.needed(slot, p);
  const std::uint64_t first = needed.halo_row(PartId(owner)) - shard_.parts[p].rows();
  return rounded_in_.block(rounded_at_[p] + first, needed.count(PartId(owner)));
}

template class OrderedHaloRows<Space::kHost>;
template class OrderedHaloRows<Space::kDevice>;

}  // namespace tessera::exchange
