// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/packed_store.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::storage::detail {
namespace {

static_assert(StringStore::kBlockStrings % kPageStrings == 0);
static_assert(PageCache::kPadding >= kBucketPadding);
static_assert(PackedStrings::kSymbolBytes == sizeof(Symbol));

[[noreturn]] void fail_damaged() { fail(ExitStatus::kBadData, "a block of strings is damaged"); }

std::uint64_t parts(std::uint64_t count, std::uint64_t size) {  // rounding up by an addition could wrap around
  return count / size + (count % size == 0 ? 0 : 1);
}

bool are_offsets(const std::vector<std::uint64_t>& offsets, std::uint64_t pages, std::uint64_t bytes) {
  return !offsets.empty() && offsets.size() - 1 == pages && offsets.front() == 0 && offsets.back() == bytes &&
         std::is_sorted(offsets.begin(), offsets.end());
}

std::vector<std::uint64_t> checked_offsets(PackedStrings& strings, std::uint64_t bytes, const std::string& where) {
  const std::uint64_t pages = parts(strings.count, kPageStrings);
  if (!are_offsets(strings.page_offsets, pages, bytes) ||
      !are_offsets(strings.separator_offsets, pages, strings.separators.size()) ||
      strings.symbols.size() % sizeof(Symbol) != 0)
    fail(ExitStatus::kBadData, "{}: the packed strings are inconsistent", where);
  return std::move(strings.page_offsets);
}

std::vector<Symbol> symbols_of(const std::vector<std::uint8_t>& rows) {
  std::vector<Symbol> symbols(rows.size() / sizeof(Symbol));
  if (!rows.empty()) std::memcpy(symbols.data(), rows.data(), rows.size());
  return symbols;
}

}  // namespace

PackedStore::PackedStore(PackedStrings strings, DatasetBytes bytes, const std::string& where)
    : count_(strings.count),
      page_offsets_(checked_offsets(strings, bytes.size(), where)),
      table_(symbols_of(strings.symbols)),
      index_(std::move(strings.separators), std::move(strings.separator_offsets)),
      cache_(std::move(bytes), page_offsets_.size() - 1),
      reader_(table_) {}

PageView PackedStore::page(std::uint64_t index) {
  const std::uint64_t first = page_offsets_[index];
  const auto bytes =
      cache_.get({index, first, page_offsets_[index + 1] - first}, [&](std::span<const std::uint8_t> read) {
        std::uint32_t stored = 0;
        const std::size_t size = read.size() - std::min(read.size(), sizeof(stored));
        std::memcpy(&stored, read.data() + size, read.size() - size);
        if (read.size() < sizeof(stored) || stored != PackedStrings::page_hash(read.first(size)))
          fail(ExitStatus::kBadData, "{}: page {} is damaged", cache_.source().name(), index);
      });
  return {bytes.first(bytes.size() - PackedStrings::kHashBytes), std::min(kPageStrings, count_ - index * kPageStrings)};
}

std::string PackedStore::get(std::uint64_t rank) {
  const PageView found = page(rank / kPageStrings);
  const std::uint64_t place = rank % kPageStrings;
  reader_.start(found.bucket(place / kBucketStrings), found.prefix());
  for (std::uint64_t i = 0; i <= place % kBucketStrings; ++i) reader_.next();
  return std::string(reader_.string());
}

/// The last bucket whose first string is not above `string`, or bucket 0. `string` begins with the prefix of the page.
std::uint64_t PackedStore::bucket_of(const PageView& page, std::string_view string) {
  auto [low, last] = page.buckets_near(string.substr(page.prefix().size()));
  while (low < last) {
    const std::uint64_t middle = (low + last + 1) / 2;
    reader_.start(page.bucket(middle), page.prefix());
    reader_.next();
    if (reader_.string() <= string)
      low = middle;
    else
      last = middle - 1;
  }
  return low;
}

/// Place in the page of the first string of the bucket that is not below `string`, or of the next bucket. A string that
/// shares more with the one before it than that one shares with `string` is below `string` too; one that shares less is
/// above: few are compared.
StringStore::Bound PackedStore::scan(const PageView& page, std::uint64_t bucket, std::string_view string) {
  const std::uint64_t first = bucket * kBucketStrings;
  const std::uint64_t count = std::min(kBucketStrings, page.strings() - first);
  reader_.start(page.bucket(bucket), page.prefix());
  std::size_t matched = page.prefix().size();
  for (std::uint64_t i = 0; i < count; ++i) {
    reader_.next();
    if (reader_.shared() > matched) continue;
    if (reader_.shared() < matched) return {first + i, false};
    const std::string_view found = reader_.string();
    matched += shared_bytes(found.substr(matched), string.substr(matched));
    if (matched == string.size()) return {first + i, matched == found.size()};
    if (matched < found.size() &&
        static_cast<unsigned char>(found[matched]) > static_cast<unsigned char>(string[matched]))
      return {first + i, false};
  }
  return {first + count, false};
}

StringStore::Bound PackedStore::lower_bound(std::string_view string) {
  if (count_ == 0) return {0, false};
  const std::uint64_t index = index_.page_of(string);
  const PageView found = page(index);
  const int side = string.substr(0, found.prefix().size()).compare(found.prefix());
  if (side != 0) return {index * kPageStrings + (side < 0 ? 0 : found.strings()), false};
  const Bound bound = scan(found, bucket_of(found, string), string);
  return {index * kPageStrings + bound.rank, bound.is_equal};
}

std::vector<std::string> PackedStore::block(std::uint64_t index) {
  constexpr std::uint64_t kPages = kBlockStrings / kPageStrings;
  std::vector<std::string> strings;
  const std::uint64_t end = std::min((index + 1) * kPages, page_offsets_.size() - 1);
  for (std::uint64_t i = index * kPages; i < end; ++i) {
    const PageView scanned = page(i);
    for (std::uint64_t place = 0; place < scanned.strings(); ++place) {
      if (place % kBucketStrings == 0) reader_.start(scanned.bucket(place / kBucketStrings), scanned.prefix());
      reader_.next();
      strings.emplace_back(reader_.string());
      if ((place + 1) % kBucketStrings == 0 || place + 1 == scanned.strings())
        if (!reader_.is_at_end()) fail_damaged();
    }
  }
  return strings;
}

}  // namespace tessera::storage::detail
