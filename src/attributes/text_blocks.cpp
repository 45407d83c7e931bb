// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/strings.hpp"

#include <zdict.h>
#include <zstd.h>

#include <algorithm>

namespace tessera::attributes {
namespace {

constexpr int kLevel = 12;
constexpr std::uint64_t kBlockBytes = 16 << 10U;       // about so many, of a block before it is compressed
constexpr std::uint64_t kMostRatio = 32768;            // a zstd block of at least 4 bytes makes at most 128 KiB
constexpr std::uint64_t kDictionaryBytes = 96 << 10U;  // at most
constexpr std::uint64_t kDictionaryShare = 64;         // of all bytes, at most
constexpr std::uint64_t kMostStrings = 4096;           // of a block
constexpr std::uint64_t kSampleBytes = 8 << 20U;

/// Strings of a block, each after its length.
std::string join(std::uint64_t first, std::uint64_t end, const StringAt& string) {
  detail::Bytes lengths;
  std::string joined;
  for (std::uint64_t i = first; i < end; ++i) {
    const std::string_view text = string(i);
    lengths.clear();
    detail::put_varint(lengths, text.size());
    joined.append(lengths.begin(), lengths.end()).append(text);
  }
  return joined;
}

/// A dictionary trained with a sample of all blocks; empty when there is too little to learn from.
detail::Bytes train(const std::vector<std::string>& blocks, std::uint64_t all_bytes) {
  detail::Bytes dictionary(std::min(kDictionaryBytes, all_bytes / kDictionaryShare));
  if (dictionary.size() < 1024) return {};
  std::string samples;
  std::vector<std::size_t> sizes;
  const std::size_t step = 1 + all_bytes / kSampleBytes;
  constexpr std::size_t kPiece = 1024;  // many short samples teach it more than few long ones
  for (std::size_t i = 0; i < blocks.size(); i += step) {
    samples += blocks[i];
    for (std::size_t at = 0; at < blocks[i].size(); at += kPiece)
      sizes.push_back(std::min(kPiece, blocks[i].size() - at));
  }
  const std::size_t size = ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), samples.data(), sizes.data(),
                                                 static_cast<unsigned>(sizes.size()));
  if (ZDICT_isError(size) != 0) return {};
  dictionary.resize(size);
  return dictionary;
}

/// dictionary, ends, blocks.
detail::Bytes compress(const std::vector<std::string>& blocks, const detail::Bytes& dictionary) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  const std::unique_ptr<ZSTD_CDict, decltype(&ZSTD_freeCDict)> learned(
      ZSTD_createCDict(dictionary.data(), dictionary.size(), kLevel), &ZSTD_freeCDict);
  detail::Bytes bytes;
  std::vector<std::int64_t> ends;
  for (const std::string& block : blocks) {
    const std::size_t start = bytes.size();
    bytes.resize(start + ZSTD_compressBound(block.size()));
    const std::size_t room = bytes.size() - start;
    const std::size_t size = dictionary.empty() ? ZSTD_compressCCtx(context.get(), bytes.data() + start, room,
                                                                    block.data(), block.size(), kLevel)
                                                : ZSTD_compress_usingCDict(context.get(), bytes.data() + start, room,
                                                                           block.data(), block.size(), learned.get());
    TESSERA_ASSERT(ZSTD_isError(size) == 0, ZSTD_getErrorName(size));
    bytes.resize(start + size);
    ends.push_back(static_cast<std::int64_t>(bytes.size()));
  }
  detail::Bytes out;
  detail::put_varint(out, dictionary.size());
  detail::put_bytes(out, dictionary);
  detail::put_varint(out, bytes.size());
  Numbers::encode(ends, out);
  detail::put_bytes(out, bytes);
  return out;
}

}  // namespace

struct TextBlocks::Dictionary {
  std::unique_ptr<ZSTD_DDict, decltype(&ZSTD_freeDDict)> learned{nullptr, &ZSTD_freeDDict};
};

TextBlocks::TextBlocks() = default;
TextBlocks::TextBlocks(TextBlocks&&) noexcept = default;
TextBlocks& TextBlocks::operator=(TextBlocks&&) noexcept = default;
TextBlocks::~TextBlocks() = default;

void TextBlocks::encode(std::uint64_t count, const StringAt& string, detail::Bytes& out) {
  if (count == 0) return;
  std::uint64_t all_bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) all_bytes += string(i).size() + 1;
  const std::uint64_t per_block = std::clamp<std::uint64_t>(kBlockBytes * count / all_bytes, 1, kMostStrings);
  std::vector<std::string> blocks;
  for (std::uint64_t first = 0; first < count; first += per_block)
    blocks.push_back(join(first, std::min(count, first + per_block), string));
  detail::Bytes packed = compress(blocks, {});
  const detail::Bytes dictionary = train(blocks, all_bytes);
  if (!dictionary.empty()) {
    detail::Bytes with_dictionary = compress(blocks, dictionary);
    if (with_dictionary.size() < packed.size()) packed = std::move(with_dictionary);
  }
  detail::put_varint(out, per_block);
  detail::put_bytes(out, packed);
}

TextBlocks::TextBlocks(detail::ByteReader& reader, std::uint64_t count) : count_(count) {
  if (count == 0) return;
  per_block_ = reader.varint(kMostStrings, "its blocks of text have too many strings");
  if (per_block_ == 0) detail::damaged("its blocks of text have no strings");
  const detail::ByteSpan dictionary = reader.take(reader.varint());
  const std::uint64_t bytes = reader.varint(reader.rest().size(), "its text is longer than the column");
  const std::uint64_t blocks = count / per_block_ + (count % per_block_ == 0 ? 0 : 1);
  if (blocks > bytes) detail::damaged("it has fewer bytes than blocks of text");
  ends_ = Numbers(reader, blocks);
  bytes_ = reader.take(bytes);
  dictionary_ = std::make_unique<Dictionary>();
  if (!dictionary.empty()) dictionary_->learned.reset(ZSTD_createDDict(dictionary.data(), dictionary.size()));
  if (!dictionary.empty() && dictionary_->learned == nullptr) detail::damaged("its dictionary is damaged");
}

std::string TextBlocks::unpack(std::uint64_t block) const {
  const std::int64_t begin = block == 0 ? 0 : ends_[block - 1];
  const std::int64_t end = ends_[block];
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > bytes_.size())
    detail::damaged("a block of text is damaged");
  const detail::ByteSpan packed =
      bytes_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  const unsigned long long plain = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (plain == ZSTD_CONTENTSIZE_ERROR || plain == ZSTD_CONTENTSIZE_UNKNOWN || plain / kMostRatio > packed.size())
    detail::damaged("a block of text is damaged");
  std::string text(plain, '\0');
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  const std::size_t size =
      dictionary_->learned == nullptr
          ? ZSTD_decompressDCtx(context.get(), text.data(), text.size(), packed.data(), packed.size())
          : ZSTD_decompress_usingDDict(context.get(), text.data(), text.size(), packed.data(), packed.size(),
                                       dictionary_->learned.get());
  if (ZSTD_isError(size) != 0 || size != plain) detail::damaged("a block of text is damaged");
  return text;
}

std::string TextBlocks::operator[](std::uint64_t i) const {
  std::string found;
  for_each(i, i + 1, [&](std::uint64_t, std::string_view text) { found = text; });
  return found;
}

void TextBlocks::for_each(std::uint64_t first, std::uint64_t end,
                          const std::function<void(std::uint64_t, std::string_view)>& visit) const {
  if (first >= end) return;
  for (std::uint64_t block = first / per_block_; block <= (end - 1) / per_block_; ++block) {
    const std::string text = unpack(block);
    detail::ByteReader reader({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    const std::uint64_t block_end = std::min(count_, (block + 1) * per_block_);
    for (std::uint64_t i = block * per_block_; i < std::min(end, block_end); ++i) {
      const std::string_view string = reader.text(reader.varint());
      if (i >= first) visit(i, string);
    }
  }
}

}  // namespace tessera::attributes
