// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/decoder.hpp"

#include "core/error.hpp"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <limits>

namespace tessera::partition {
namespace {

class PlainDecoder final : public Decoder {
 public:
  std::size_t read(RawBytes& raw, std::span<char> out) override { return raw.read_raw(out); }
};

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) fail(ExitStatus::kInternal, "zlib does not start");
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;
  ~GzipDecoder() override { inflateEnd(&stream_); }

  std::size_t read(RawBytes& raw, std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), std::numeric_limits<uInt>::max()));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room && fill(raw)) step(raw);
    return room - stream_.avail_out;
  }

 private:
  // False at a sound end of the data.
  bool fill(RawBytes& raw) {
    if (stream_.avail_in == 0) {
      const std::string_view block = raw.next_block();
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));  // zlib does not write to it
      stream_.avail_in = static_cast<uInt>(block.size());
    }
    if (stream_.avail_in == 0) {
      if (!between_members_) fail(ExitStatus::kBadData, "{}: the gzip data is truncated", raw.source_name());
      return false;
    }
    return true;
  }

  void step(RawBytes& raw) {
    if (between_members_) {
      skip_padding();
      if (stream_.avail_in == 0) return;
      if (padded_ || *stream_.next_in != 0x1fU)
        fail(ExitStatus::kBadData, "{}: there are other bytes after the end of the gzip data", raw.source_name());
      between_members_ = false;
      inflateReset(&stream_);
    }
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      between_members_ = true;
    } else if (result == Z_MEM_ERROR) {
      fail(ExitStatus::kInternal, "{}: zlib has no memory", raw.source_name());
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail(ExitStatus::kBadData, "{}: the gzip data is damaged: {}", raw.source_name(),
           stream_.msg != nullptr ? stream_.msg : "unknown reason");
    }
  }

  void skip_padding() {
    for (; stream_.avail_in > 0 && *stream_.next_in == 0; --stream_.avail_in, ++stream_.next_in) padded_ = true;
  }

  z_stream stream_{};
  bool between_members_ = false;
  bool padded_ = false;
};

struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) {
    if (!context_) fail(ExitStatus::kInternal, "zstd does not start");
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).upperBound);
  }

  std::size_t read(RawBytes& raw, std::span<char> out) override {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0) {
      if (in_.pos == in_.size && !drained_) {
        const std::string_view block = raw.next_block();
        in_ = {block.data(), block.size(), 0};
        if (block.empty()) return finish(raw);
      }
      const std::size_t result = ZSTD_decompressStream(context_.get(), &to, &in_);
      if (ZSTD_isError(result) != 0U) fail_with(ZSTD_getErrorCode(result), raw);
      inside_frame_ = result != 0;
      drained_ = inside_frame_ && to.pos == to.size;  // more text may be waiting inside the decoder
    }
    return to.pos;
  }

 private:
  [[noreturn]] static void fail_with(ZSTD_ErrorCode code, const RawBytes& raw) {
    if (code == ZSTD_error_frameParameter_windowTooLarge)
      fail(ExitStatus::kBadData,
           "{}: this zstd data has a longer window than the library reads; decompress it into a pipe "
           "(zstd -dc --long=31 FILE | tessera import -)",
           raw.source_name());
    if (code == ZSTD_error_memory_allocation)
      fail(ExitStatus::kOverBudget,
           "{}: the window of this zstd data does not fit the memory; compress it anew without --long",
           raw.source_name());
    fail(ExitStatus::kBadData, "{}: the zstd data is damaged: {}", raw.source_name(), ZSTD_getErrorString(code));
  }

  std::size_t finish(const RawBytes& raw) const {
    if (inside_frame_) fail(ExitStatus::kBadData, "{}: the zstd data is truncated", raw.source_name());
    return 0;
  }

  std::unique_ptr<ZSTD_DCtx, FreeZstd> context_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool inside_frame_ = false;
  bool drained_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_plain_decoder() { return std::make_unique<PlainDecoder>(); }
std::unique_ptr<Decoder> make_gzip_decoder() { return std::make_unique<GzipDecoder>(); }
std::unique_ptr<Decoder> make_zstd_decoder() { return std::make_unique<ZstdDecoder>(); }

}  // namespace tessera::partition
