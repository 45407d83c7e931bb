// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows/gradient_return.hpp"

#include "core/error.hpp"
#include "core/mix.hpp"
#include "exchange/bytes.hpp"

namespace tessera::exchange {

using execution::Space;
using memory::Tag;

namespace {

constexpr std::size_t kBlockRows = 256;

}  // namespace

template <Space kSpace>
GradientReturn<kSpace>::GradientReturn(const Setup& setup)
    : executor_(setup.executor),
      memory_(setup.memory),
      demand_(setup.demand),
      transport_(setup.transport),
      format_(setup.format),
      out_at_(demand_.own_parts() * demand_.part_count(), 0) {
  TESSERA_ASSERT(demand_.peers().size() == 1 || transport_ != nullptr, "several ranks need a transport");
  out_ = memory_.allocate(Tag::kGradients, demand_.totals().remote, setup.dim);
  in_ = memory_.allocate(Tag::kGradients, demand_.totals().arriving, setup.dim);
  if (is_rounded()) {
    rounded_out_ = allocate(demand_.totals().remote);
    rounded_in_ = allocate(demand_.totals().arriving);
  }
  sends_.reserve(demand_.part_count());
  receives_.reserve(demand_.own_parts() * demand_.peers().size());
}

template <Space kSpace>
typename GradientReturn<kSpace>::StoredRows GradientReturn<kSpace>::allocate(std::uint64_t rows) {
  const std::size_t stride = kernels::row_bytes(format_, out_.cols);
  return {format_, memory_.allocate_bytes(Tag::kExchange, rows * stride).data(), rows, out_.cols, stride};
}

template <Space kSpace>
void GradientReturn<kSpace>::start(std::size_t slot) {
  slot_ = slot;
  std::uint64_t at = 0;
  for (std::uint32_t q = 0; q < demand_.part_count(); ++q) {
    if (demand_.is_own(q)) continue;
    for (std::size_t p = 0; p < demand_.own_parts(); ++p) {
      out_at_[p * demand_.part_count() + q] = at;
      at += demand_.needed(slot, p).count(PartId(q));
    }
  }
}

template <Space kSpace>
typename GradientReturn<kSpace>::Matrix GradientReturn<kSpace>::block(std::size_t p, PartId q) const {
  const std::size_t rows = demand_.needed(slot_, p).count(q);
  if (!demand_.is_own(q.value())) return out_.block(out_at_[p * demand_.part_count() + q.index()], rows);
  const auto requester = static_cast<std::uint32_t>(demand_.first_own() + p);
  return in_.block(demand_.asked_begin(slot_, q.value() - demand_.first_own(), requester), rows);
}

template <Space kSpace>
typename GradientReturn<kSpace>::StoredRows GradientReturn<kSpace>::rounded_block(std::size_t p,
                                                                                  std::uint32_t q) const {
  const std::size_t rows = demand_.needed(slot_, p).count(PartId(q));
  if (!demand_.is_own(q)) return rounded_out_.block(out_at_[p * demand_.part_count() + q], rows);
  const auto requester = static_cast<std::uint32_t>(demand_.first_own() + p);
  return rounded_in_.block(demand_.asked_begin(slot_, q - demand_.first_own(), requester), rows);
}

// A row of zeros from which the gradient is taken with the factor -1 is the gradient, rounded as updates are.
template <Space kSpace>
void GradientReturn<kSpace>::encode(std::uint64_t key) {
  for (std::size_t p = 0; p < demand_.own_parts(); ++p)
    for (std::uint32_t q = 0; q < demand_.part_count(); ++q) {
      const std::uint64_t part = demand_.first_own() + p;
      const Matrix gradients = block(p, PartId(q));
      if (part == q || gradients.rows == 0) continue;
      StoredRows rounded = rounded_block(p, q);
      rounded.rounding = {mix(key + (part * demand_.part_count() + q) * kMixStep), 0};
      executor_.clear(bytes_of(rounded));
      executor_.for_blocks(gradients.rows, kBlockRows, [&](std::size_t first, std::size_t count, std::size_t) {
        executor_.kernels().updates.sgd(-1.0F, gradients.block(first, count), memory_.counting(count),
                                        rounded.block(first, count));
      });
    }
}

template <Space kSpace>
void GradientReturn<kSpace>::decode(std::uint64_t first, std::uint64_t rows) {
  executor_.for_blocks(rows, kBlockRows, [&](std::size_t begin, std::size_t count, std::size_t) {
    executor_.kernels().rows.decode(rounded_in_.block(first + begin, count), in_.block(first + begin, count));
  });
}

// The gradients of a part's own uses of its rows are in the middle; they were not rounded.
template <Space kSpace>
void GradientReturn<kSpace>::decode() {
  for (std::size_t q = 0; q < demand_.own_parts(); ++q) {
    const auto part = static_cast<std::uint32_t>(demand_.first_own() + q);
    const std::uint64_t begin = demand_.asked_begin(slot_, q, 0);
    const std::uint64_t own_begin = demand_.asked_begin(slot_, q, part);
    const std::uint64_t own_end = demand_.asked_begin(slot_, q, part + 1);
    decode(begin, own_begin - begin);
    decode(own_end, begin + demand_.asked(slot_, q).size() - own_end);
  }
}

template <Space kSpace>
void GradientReturn<kSpace>::exchange(std::uint64_t key) {
  if (is_rounded()) encode(key);
  if (transport_ != nullptr) send();
  if (is_rounded()) decode();
}

template <Space kSpace>
void GradientReturn<kSpace>::send() {
  const auto bytes = [&](const Matrix& exact, const StoredRows& rounded, std::uint64_t first, std::uint64_t rows) {
    return is_rounded() ? bytes_of(rounded.block(first, rows)) : bytes_of(exact.block(first, rows));
  };
  sends_.clear();
  receives_.clear();
  for (std::size_t q = 0; q < demand_.own_parts(); ++q)
    for (const RowDemand::Peer& peer : demand_.peers()) {
      if (demand_.is_self(peer)) continue;
      const std::uint64_t first = demand_.asked_begin(slot_, q, peer.first_part);
      const std::uint64_t rows = demand_.asked_begin(slot_, q, peer.end_part) - first;
      if (rows > 0) receives_.push_back({bytes(in_, rounded_in_, first, rows), peer.rank});
    }
  for (const RowDemand::Peer& peer : demand_.peers()) {
    if (demand_.is_self(peer)) continue;
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q) {
      std::uint64_t rows = 0;
      for (std::size_t p = 0; p < demand_.own_parts(); ++p) rows += demand_.needed(slot_, p).count(PartId(q));
      if (rows > 0) sends_.push_back({bytes(out_, rounded_out_, out_at_[q], rows), peer.rank});
    }
  }
  transport_->exchange(sends_, receives_);
}

template <Space kSpace>
typename GradientReturn<kSpace>::Matrix GradientReturn<kSpace>::arrived(std::size_t own_part) const {
  return in_.block(demand_.asked_begin(slot_, own_part, 0), demand_.asked(slot_, own_part).size());
}

template class GradientReturn<Space::kHost>;
template class GradientReturn<Space::kDevice>;

}  // namespace tessera::exchange
