// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/names.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tessera::partition {
namespace {

struct Keyed {
  std::uint64_t key;  // eight bytes of the name; the first is the most significant; zeros past the end
  std::uint64_t number;
};

std::uint64_t key_at(std::string_view name, std::size_t depth) {
  if (depth >= name.size()) return 0;
  std::uint64_t key = 0;
  std::memcpy(&key, name.data() + depth, std::min<std::size_t>(sizeof(key), name.size() - depth));
  return std::endian::native == std::endian::little ? __builtin_bswap64(key) : key;
}

constexpr std::size_t kDeepest = 512;

// For names that agree in so many bytes that eight at a time would go too deep.
void sort_rest(const Dictionary& dictionary, std::span<Keyed> names, std::size_t depth) {
  std::sort(names.begin(), names.end(), [&](const Keyed& a, const Keyed& b) {
    return dictionary.name(a.number).substr(depth) < dictionary.name(b.number).substr(depth);
  });
}

// Names hold no NUL byte and are distinct, so names that agree in a key that ends with a zero byte do not exist twice.
void sort_from(const Dictionary& dictionary, std::span<Keyed> names, std::size_t depth) {
  if (depth == kDeepest) return sort_rest(dictionary, names, depth);
  for (Keyed& name : names) name.key = key_at(dictionary.name(name.number), depth);
  const auto by_key = [](const Keyed& a, const Keyed& b) { return a.key < b.key; };
  if (!std::is_sorted(names.begin(), names.end(), by_key)) std::sort(names.begin(), names.end(), by_key);
  for (std::size_t first = 0; first < names.size();) {
    std::size_t last = first + 1;
    while (last < names.size() && names[last].key == names[first].key) ++last;
    if (last - first > 1) sort_from(dictionary, names.subspan(first, last - first), depth + sizeof(std::uint64_t));
    first = last;
  }
}

}  // namespace

std::vector<std::uint64_t> sorted_numbers(const Dictionary& dictionary, const std::vector<bool>* keep) {
  std::vector<Keyed> order;
  order.reserve(dictionary.size());
  for (std::uint64_t number = dictionary.first(); number < dictionary.end(); ++number)
    if (keep == nullptr || (*keep)[number]) order.push_back({0, number});
  sort_from(dictionary, order, 0);
  std::vector<std::uint64_t> numbers;
  numbers.reserve(order.size());
  for (const Keyed& name : order) numbers.push_back(name.number);
  return numbers;
}

SortedNames sort_names(const Dictionary& dictionary, const std::vector<bool>* keep, std::vector<std::uint64_t>& ranks) {
  const std::vector<std::uint64_t> order = sorted_numbers(dictionary, keep);
  std::uint64_t bytes = 0;
  for (const std::uint64_t number : order) bytes += dictionary.name(number).size();
  SortedNames sorted;
  sorted.text_.reserve(bytes);
  sorted.offsets_.reserve(order.size() + 1);
  ranks.assign(dictionary.size(), kNoRank);
  for (std::uint64_t rank = 0; rank < order.size(); ++rank) {
    sorted.text_.append(dictionary.name(order[rank]));
    sorted.offsets_.push_back(sorted.text_.size());
    ranks[order[rank]] = rank;
  }
  return sorted;
}

}  // namespace tessera::partition
