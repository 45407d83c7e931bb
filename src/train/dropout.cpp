// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/dropout.hpp"

#include "core/random.hpp"

#include <algorithm>

namespace tessera::train {
namespace {

constexpr std::size_t kWords = 4;  // of a block of random numbers, one for each element

std::uint64_t blocks(std::size_t dim) { return (dim + kWords - 1) / kWords; }

}  // namespace

Dropout::Mask Dropout::make_mask(double rate, std::size_t dim) {
  return {dim, static_cast<std::uint32_t>(rate * 0x1.0p32), static_cast<float>(1 / (1 - rate))};
}

Dropout::Dropout(const Job& job, const model::Parameters& parameters, std::size_t threads, memory::Pool& pool)
    : seed_(job.run.seed),
      entity_(make_mask(job.dropout.entity, parameters.dim())),
      relation_(make_mask(job.dropout.relation, parameters.operators().cols)),
      scratch_(pool.allocate<float>(memory::Tag::kBatch, drops_relations() ? 2 * threads * relation_.dim : 0)) {}

std::uint64_t Dropout::first_block(const OrderPosition& at, std::size_t index) const {
  return (at.first + index) * (blocks(entity_.dim) + blocks(relation_.dim));
}

void Dropout::mask_source(const OrderPosition& at, std::size_t index, float* row) const {
  apply(entity_, at, first_block(at, index), row);
}

void Dropout::mask_operator(const OrderPosition& at, std::size_t index, float* row) const {
  apply(relation_, at, first_block(at, index) + blocks(entity_.dim), row);
}

void Dropout::apply(const Mask& mask, const OrderPosition& at, std::uint64_t first_block, float* row) const {
  const RandomStream stream(seed_, Purpose::kDropout, at.epoch, at.part);
  for (std::size_t first = 0; first < mask.dim; first += kWords) {
    const auto words = stream.words(first_block + first / kWords);
    const std::size_t count = std::min(kWords, mask.dim - first);
    for (std::size_t k = 0; k < count; ++k) row[first + k] *= words.at(k) < mask.threshold ? 0.0F : mask.gain;
  }
}

}  // namespace tessera::train
