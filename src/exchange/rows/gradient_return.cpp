// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows/gradient_return.hpp"

#include "core/error.hpp"
#include "exchange/bytes.hpp"

namespace tessera::exchange {

using execution::Space;
using memory::Tag;

template <Space kSpace>
GradientReturn<kSpace>::GradientReturn(execution::StepMemory<kSpace>& memory, const RowDemand& demand,
                                       Transport* transport, std::size_t dim)
    : demand_(demand), transport_(transport), out_at_(demand.own_parts() * demand.part_count(), 0) {
  TESSERA_ASSERT(demand.peers().size() == 1 || transport != nullptr, "several ranks need a transport");
  out_ = memory.allocate(Tag::kGradients, demand.totals().remote, dim);
  in_ = memory.allocate(Tag::kGradients, demand.totals().arriving, dim);
  sends_.reserve(demand.part_count());
  receives_.reserve(demand.own_parts() * demand.peers().size());
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
void GradientReturn<kSpace>::exchange() {
  if (transport_ == nullptr) return;
  sends_.clear();
  receives_.clear();
  for (std::size_t q = 0; q < demand_.own_parts(); ++q)
    for (const RowDemand::Peer& peer : demand_.peers()) {
      if (demand_.is_self(peer)) continue;
      const std::uint64_t first = demand_.asked_begin(slot_, q, peer.first_part);
      const std::uint64_t rows = demand_.asked_begin(slot_, q, peer.end_part) - first;
      if (rows > 0) receives_.push_back({bytes_of(in_.block(first, rows)), peer.rank});
    }
  for (const RowDemand::Peer& peer : demand_.peers()) {
    if (demand_.is_self(peer)) continue;
    for (std::uint32_t q = peer.first_part; q < peer.end_part; ++q) {
      std::uint64_t rows = 0;
      for (std::size_t p = 0; p < demand_.own_parts(); ++p) rows += demand_.needed(slot_, p).count(PartId(q));
      if (rows > 0) sends_.push_back({bytes_of(out_.block(out_at_[q], rows)), peer.rank});
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
