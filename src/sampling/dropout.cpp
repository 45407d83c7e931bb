// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/dropout.hpp"

#include "core/random.hpp"

namespace tessera::sampling {

using kernels::DropoutMask;

Dropout::Mask Dropout::find_mask(double rate, std::size_t dim) {
  return {dim, static_cast<std::uint32_t>(rate * 0x1.0p32), static_cast<float>(1 / (1 - rate))};
}

Dropout::Dropout(const Job& job, const model::Parameters& parameters, std::size_t threads, memory::Pool& pool)
    : seed_(job.run.seed),
      entity_(find_mask(job.dropout.entity, parameters.dim())),
      relation_(find_mask(job.dropout.relation, parameters.operators().cols)),
      scratch_(pool.allocate<float>(memory::Tag::kBatch, drops_relations() ? 2 * threads * relation_.dim : 0)) {}

DropoutMask Dropout::source_mask(const OrderPosition& at) const { return make_mask(entity_, at, 0); }

DropoutMask Dropout::operator_mask(const OrderPosition& at) const {
  return make_mask(relation_, at, DropoutMask::blocks(entity_.dim));
}

// A query has the counters of its source, then those of its operator.
DropoutMask Dropout::make_mask(const Mask& mask, const OrderPosition& at, std::uint64_t first_block) const {
  const RandomStream stream(seed_, Purpose::kDropout, at.epoch, at.part);
  const std::uint64_t of_query = DropoutMask::blocks(entity_.dim) + DropoutMask::blocks(relation_.dim);
  return {.key_low = stream.key()[0],
          .key_high = stream.key()[1],
          .stream_low = stream.counter_high()[0],
          .stream_high = stream.counter_high()[1],
          .first = at.first * of_query + first_block,
          .step = of_query,
          .threshold = mask.threshold,
          .gain = mask.gain};
}

}  // namespace tessera::sampling
