// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/triple_weights.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace tessera::graph {
namespace {

constexpr unsigned kFloatBits = 32;

bool is_weight(float weight) { return std::isfinite(weight) && weight >= 0; }

unsigned index_width(std::size_t values) { return static_cast<unsigned>(std::bit_width(values - 1)); }

}  // namespace

PackedWeights PackedWeights::encode(std::span<const float> weights) {
  PackedWeights packed;
  packed.values.assign(weights.begin(), weights.end());
  std::sort(packed.values.begin(), packed.values.end());
  packed.values.erase(std::unique(packed.values.begin(), packed.values.end()), packed.values.end());
  packed.width = packed.values.empty() ? kFloatBits : index_width(packed.values.size());
  const std::uint64_t plain_bits = kFloatBits * weights.size();
  if (kFloatBits * packed.values.size() + packed.width * weights.size() >= plain_bits) {
    packed.values.clear();
    packed.width = kFloatBits;
  }
  packed.values.shrink_to_fit();
  packing::BitWriter writer(packed.indices);
  for (const float weight : weights) {
    const auto at = std::lower_bound(packed.values.begin(), packed.values.end(), weight);
    writer.put(packed.values.empty() ? std::bit_cast<std::uint32_t>(weight)
                                     : static_cast<std::uint64_t>(at - packed.values.begin()),
               packed.width);
  }
  writer.align();
  packed.indices.resize(packed.indices.size() + packing::kPadding);
  return packed;
}

float WeightsView::unpack(const std::uint8_t* bytes, std::uint64_t bit) const {
  const std::uint64_t index = packing::load_bits(bytes, bit, width_);
  if (values_.empty()) return std::bit_cast<float>(static_cast<std::uint32_t>(index));
  return index < values_.size() ? values_[index] : std::numeric_limits<float>::quiet_NaN();
}

// What is read from a file lies in memory of the thread.
void WeightsView::read(std::uint64_t first, std::span<float> out) const {
  const std::uint64_t begin = first * width_ / 8;
  const std::uint8_t* bytes = indices_.data() + begin;
  if (stored_ != nullptr) {
    static thread_local std::vector<std::uint8_t> stored;
    const std::uint64_t end = packing::bytes_of_bits((first + out.size()) * width_);
    stored.resize(end - begin + packing::kPadding);
    stored_->read(begin, std::span(stored).first(end - begin));
    bytes = stored.data();
  }
  const std::uint64_t bit = first * width_ - 8 * begin;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = unpack(bytes, bit + i * width_);
}

bool WeightsView::are_sound(std::uint64_t count) const {
  if (width_ > kFloatBits || (values_.empty() && width_ != kFloatBits)) return false;
  const std::uint64_t bytes = stored_ == nullptr ? indices_.size() : stored_->size();
  if (count > std::numeric_limits<std::uint32_t>::max() || bytes != packing::bytes_of_bits(count * width_))
    return false;
  constexpr std::uint64_t kTogether = 4096;
  std::vector<float> weights;
  for (std::uint64_t first = 0; first < count; first += kTogether) {
    weights.resize(std::min(kTogether, count - first));
    read(first, weights);
    if (!std::all_of(weights.begin(), weights.end(), is_weight)) return false;
  }
  return true;
}

void write_weights(storage::FileWriter& file, const std::string& group, std::span<const float> weights) {
  const PackedWeights packed = PackedWeights::encode(weights);
  file.write<float>(group + kWeightValues, packed.values,
                    {"distinct weights, ascending; none: indices are their bits"});
  file.write<std::uint8_t>(group + kWeightIndices,
                           std::span(packed.indices).first(packed.indices.size() - packing::kPadding),
                           {"place of each weight among the values, side by side", "byte"});
  file.attribute(group + kWeights, "width", std::uint64_t{packed.width});
  file.attribute(group + kWeights, "count", std::uint64_t{weights.size()});
}

void TripleWeights::load() {
  const std::string group = fmt::format("{}/{:06}", group_, segment_);
  const auto refuse = [&] {
    fail(ExitStatus::kBadData, "'{}', {}: damaged weights", file_.path().string(), group + kWeights);
  };
  if (segment_++ == segments_) refuse();
  count_ = file_.integer(group + kWeights, "count");
  used_ = 0;
  const std::uint64_t width = file_.integer(group + kWeights, "width");
  weights_.values = file_.read<float>(group + kWeightValues);
  weights_.indices = file_.read<std::uint8_t>(group + kWeightIndices);
  const std::size_t bytes = weights_.indices.size();
  weights_.indices.resize(bytes + packing::kPadding);
  view_ = WeightsView(weights_.values, static_cast<unsigned>(std::min<std::uint64_t>(width, 64)),
                      std::span<const std::uint8_t>(weights_.indices).first(bytes));
  if (!view_.are_sound(count_)) refuse();
}

}  // namespace tessera::graph
