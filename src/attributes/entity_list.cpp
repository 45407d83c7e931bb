// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/entity_list.hpp"

#include <algorithm>

namespace tessera::attributes {
namespace {

using packing::EliasFano;
using packing::EliasFanoView;

constexpr std::uint8_t kRange = 0;
constexpr std::uint8_t kEliasFano = 1;

/// Copies `count` bits to those from `first` on, which are clear or belong to bits that are set again.
void copy_bits(std::span<const std::uint64_t> from, std::uint64_t count, std::uint64_t first,
               std::span<std::uint64_t> to) {
  const unsigned shift = first % 64;
  for (std::uint64_t word = 0; 64 * word < count; ++word) {
    const std::uint64_t left = count - 64 * word;
    const std::uint64_t bits = left >= 64 ? from[word] : from[word] & ((std::uint64_t{1} << left) - 1);
    to[first / 64 + word] |= bits << shift;
    const std::uint64_t carried = shift == 0 ? 0 : bits >> (64 - shift);
    if (carried != 0) to[first / 64 + word + 1] |= carried;
  }
}

}  // namespace

void Ascending::encode(std::span<const std::uint64_t> values, detail::Bytes& out) {
  if (values.empty()) return;
  if (values.back() - values.front() == values.size() - 1) {
    out.push_back(kRange);
    detail::put_varint(out, values.front());
    return;
  }
  const EliasFano packed = EliasFano::encode(values);
  out.push_back(kEliasFano);
  out.push_back(static_cast<std::uint8_t>(packed.low_width));
  detail::put_varint(out, packed.high.size());
  detail::align(out);
  for (const std::uint64_t word : packed.high)
    for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<std::uint8_t>(word >> shift));
  detail::put_bytes(out, detail::ByteSpan(packed.low).first(packed.low.size() - packing::kPadding));
}

Ascending::Ascending(detail::ByteReader& reader, std::uint64_t count, std::uint64_t bound) : count_(count) {
  if (count == 0) return;
  if (count > bound) detail::damaged("it has more entities than there are");
  is_range_ = reader.byte() == kRange;
  if (is_range_) {
    first_ = reader.varint(bound - count, "its entities are out of range");
    return;
  }
  low_width_ = reader.byte();
  const std::uint64_t words = reader.varint(reader.rest().size() / 8, "its list of entities is longer than the column");
  reader.align();
  const detail::ByteSpan high = reader.take(words * 8);
  high_ = {reinterpret_cast<const std::uint64_t*>(high.data()), words};
  if (low_width_ > 56 || count > 64 * words) detail::damaged("its list of entities is damaged");
  low_ = reader.take(packing::bytes_of_bits(count * low_width_));
  const detail::ByteSpan padded(low_.data(), low_.size() + packing::kPadding);
  if (!EliasFanoView::is_sound(count, low_width_, padded, high_, bound))
    detail::damaged("its list of entities is damaged");
  samples_.resize((count + EliasFanoView::kSampled - 1) / EliasFanoView::kSampled);
  EliasFanoView::sample(high_, samples_);
  packed_ = EliasFanoView(count, low_width_, padded, high_, samples_);
}

std::uint64_t Ascending::lower_bound(std::uint64_t value) const {
  if (!is_range_) return packed_.lower_bound(value);
  return value <= first_ ? 0 : std::min(value - first_, count_);
}

void EntityList::encode(std::span<const std::uint64_t> entities, detail::Bytes& out) {
  std::vector<std::uint64_t> distinct;
  std::vector<std::uint64_t> starts;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    if (i > 0 && entities[i] == entities[i - 1]) continue;
    distinct.push_back(entities[i]);
    starts.push_back(i);
  }
  detail::put_varint(out, distinct.size());
  Ascending::encode(distinct, out);
  if (distinct.size() < entities.size()) Ascending::encode(starts, out);
}

EntityList::EntityList(detail::ByteReader& reader, std::uint64_t values, std::uint64_t bound) : value_count_(values) {
  const std::uint64_t count = reader.varint(values, "it has more entities than values");
  if (count == 0 && values > 0) detail::damaged("its values belong to no entity");
  entities_ = Ascending(reader, count, bound);
  if (is_single()) return;
  starts_ = Ascending(reader, count, values);
  if (starts_[0] != 0) detail::damaged("its first value belongs to no entity");
}

ValueRange EntityList::values(std::uint64_t i) const {
  if (is_single()) return {i, i + 1};
  return {starts_[i], i + 1 < starts_.size() ? starts_[i + 1] : value_count_};
}

ValueRange EntityList::find(std::uint64_t entity) const {
  const std::uint64_t i = entities_.lower_bound(entity);
  if (i == entities_.size() || entities_[i] != entity) return {};
  return values(i);
}

void EntityList::select(std::span<const std::uint64_t> values, std::span<std::uint64_t> rows) const {
  if (entities_.size() == 0) return;
  if (is_single() && entities_.is_range()) return copy_bits(values, value_count_, entities_[0], rows);
  if (is_single()) return entities_.spread(values, rows);
  std::uint64_t word = 0;
  std::uint64_t bits = 0;  // of word
  for_each([&](std::uint64_t entity, const ValueRange& range) {
    if (entity / 64 != word) {
      rows[word] |= bits;
      word = entity / 64;
      bits = 0;
    }
    std::uint64_t any = 0;
    for (std::uint64_t i = range.first; i < range.end; ++i) any |= values[i / 64] >> (i % 64) & 1U;
    bits |= any << (entity % 64);
  });
  rows[word] |= bits;
}

}  // namespace tessera::attributes
