// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/detail/mpi_communicator.hpp"

#include "comm/message_tags.hpp"
#include "comm/mpi/detail/mpi_try.hpp"
#include "core/cast.hpp"
#include "core/error.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace tessera::comm::detail {
namespace {

MPI_Op operation(Reduction reduction) {
  switch (reduction) {
    case Reduction::kSum: return MPI_SUM;
    case Reduction::kMin: return MPI_MIN;
    case Reduction::kMax: return MPI_MAX;
  }
  return MPI_OP_NULL;
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm parent, std::chrono::seconds watchdog, std::uint64_t split_bytes)
      : watchdog_(watchdog), split_bytes_(split_bytes) {
    TESSERA_MPI_TRY(MPI_Comm_dup(parent, &comm_));
    TESSERA_MPI_TRY(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    int value = 0;
    TESSERA_MPI_TRY(MPI_Comm_rank(comm_, &value));
    rank_ = Rank(value);
    TESSERA_MPI_TRY(MPI_Comm_size(comm_, &size_));
    MPI_Comm host = MPI_COMM_NULL;
    TESSERA_MPI_TRY(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host));
    TESSERA_MPI_TRY(MPI_Comm_size(host, &ranks_on_host_));
    TESSERA_MPI_TRY(MPI_Comm_rank(host, &rank_on_host_));
    TESSERA_MPI_TRY(MPI_Comm_free(&host));
  }
  ~MpiCommunicator() override {
    int finalized = 0;
    if (MPI_Finalized(&finalized) == MPI_SUCCESS && finalized == 0) (void)MPI_Comm_free(&comm_);
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  [[nodiscard]] Rank rank() const override { return rank_; }
  [[nodiscard]] std::int32_t size() const override { return size_; }
  [[nodiscard]] std::int32_t ranks_on_host() const override { return ranks_on_host_; }
  [[nodiscard]] std::int32_t rank_on_host() const override { return rank_on_host_; }

  void set_watchdog(std::chrono::seconds limit) override { watchdog_ = limit; }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    TESSERA_MPI_TRY(MPI_Ibarrier(comm_, &request));
    finish(std::span(&request, 1), "a barrier", -1);
  }

  void broadcast(std::span<std::byte> data, Rank root) override {
    for (std::uint64_t at = 0; at < data.size(); at += split_bytes_) {
      const auto piece = data.subspan(at, std::min<std::uint64_t>(split_bytes_, data.size() - at));
      MPI_Request request = MPI_REQUEST_NULL;
      TESSERA_MPI_TRY(
          MPI_Ibcast(piece.data(), checked_cast<int>(piece.size()), MPI_BYTE, root.value(), comm_, &request));
      finish(std::span(&request, 1), "a broadcast", root.value());
    }
    if (rank_ == root) bytes_sent_ += data.size() * static_cast<std::uint64_t>(size_ - 1);
  }

  void all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                  std::span<const std::uint64_t> counts_bytes) override;

  void all_reduce(std::span<std::int64_t> values, Reduction reduction) override {
    MPI_Request request = MPI_REQUEST_NULL;
    TESSERA_MPI_TRY(MPI_Iallreduce(MPI_IN_PLACE, values.data(), checked_cast<int>(values.size()), MPI_INT64_T,
                                   operation(reduction), comm_, &request));
    finish(std::span(&request, 1), "a reduction", -1);
    if (size_ > 1) bytes_sent_ += values.size_bytes();
  }

  Request send(std::span<const std::byte> data, std::uint64_t capacity_bytes, Rank to, int tag) override {
    TESSERA_ASSERT(data.size() <= capacity_bytes, "message above its stated capacity");
    const std::uint64_t slot = take_slot(to.value(), capacity_bytes);
    for (std::size_t piece = 0; piece < slots_[slot].requests.size(); ++piece) {
      const std::uint64_t at = std::min<std::uint64_t>(piece * split_bytes_, data.size());
      const auto bytes = checked_cast<int>(std::min<std::uint64_t>(split_bytes_, data.size() - at));
      TESSERA_MPI_TRY(
          MPI_Isend(data.data() + at, bytes, MPI_BYTE, to.value(), tag, comm_, &slots_[slot].requests[piece]));
    }
    slots_[slot].sent_bytes = data.size();
    bytes_sent_ += data.size();
    return {this, slot};
  }

  Request receive(std::span<std::byte> buffer, Rank from, int tag) override {
    const std::uint64_t slot = take_slot(from.value(), buffer.size());
    slots_[slot].is_receive = true;
    for (std::size_t piece = 0; piece < slots_[slot].requests.size(); ++piece) {
      const std::uint64_t at = piece * split_bytes_;
      const auto bytes = checked_cast<int>(std::min<std::uint64_t>(split_bytes_, buffer.size() - at));
      TESSERA_MPI_TRY(
          MPI_Irecv(buffer.data() + at, bytes, MPI_BYTE, from.value(), tag, comm_, &slots_[slot].requests[piece]));
    }
    return {this, slot};
  }

  void progress() override {
    int flag = 0;
    TESSERA_MPI_TRY(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_, &flag, MPI_STATUS_IGNORE));
  }

 protected:
  std::uint64_t wait(std::uint64_t slot_index) override {
    Slot& slot = slots_[slot_index];
    finish(slot.requests, slot.is_receive ? "a message" : "a message to be taken", slot.peer, &slot.statuses);
    std::uint64_t bytes = slot.sent_bytes;
    for (std::size_t piece = 0; slot.is_receive && piece < slot.statuses.size(); ++piece) {
      int count = 0;
      TESSERA_MPI_TRY(MPI_Get_count(&slot.statuses[piece], MPI_BYTE, &count));
      bytes += static_cast<std::uint64_t>(count);
    }
    slot.free = true;
    return bytes;
  }

  // Receives are cancelled; what is being sent gets a moment, all together, as its memory is about to go.
  void abandon(std::uint64_t slot_index) noexcept override {
    using Clock = std::chrono::steady_clock;
    Slot& slot = slots_[slot_index];
    if (slot.is_receive)
      for (MPI_Request& request : slot.requests)
        if (request != MPI_REQUEST_NULL) (void)MPI_Cancel(&request);
    if (!give_up_at_) give_up_at_ = Clock::now() + std::chrono::seconds(1);
    int done = 0;
    while (MPI_Testall(static_cast<int>(slot.requests.size()), slot.requests.data(), &done, MPI_STATUSES_IGNORE) ==
               MPI_SUCCESS &&
           done == 0 && Clock::now() < *give_up_at_)
      sched_yield();
    for (MPI_Request& request : slot.requests)
      if (request != MPI_REQUEST_NULL) (void)MPI_Request_free(&request);
    slot.free = true;
  }

 private:
  struct Slot {
    std::vector<MPI_Request> requests;
    std::vector<MPI_Status> statuses;
    std::uint64_t sent_bytes = 0;
    int peer = -1;
    bool is_receive = false;
    bool free = true;
  };

  // Slots and their vectors are reused: a steady exchange allocates nothing here.
  std::uint64_t take_slot(int peer, std::uint64_t capacity_bytes) {
    std::uint64_t index = 0;
    while (index < slots_.size() && !slots_[index].free) ++index;
    if (index == slots_.size()) slots_.emplace_back();
    Slot& slot = slots_[index];
    const std::uint64_t pieces = std::max<std::uint64_t>(1, (capacity_bytes + split_bytes_ - 1) / split_bytes_);
    slot.requests.assign(pieces, MPI_REQUEST_NULL);
    slot.statuses.resize(pieces);
    slot.sent_bytes = 0;
    slot.peer = peer;
    slot.is_receive = false;
    slot.free = false;
    return index;
  }

  void finish(std::span<MPI_Request> requests, const char* what, int peer,
              std::vector<MPI_Status>* statuses = nullptr) {
    using Clock = std::chrono::steady_clock;
    Clock::time_point deadline{};
    for (std::uint64_t tries = 0;; ++tries) {
      int done = 0;
      TESSERA_MPI_TRY(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                                  statuses != nullptr ? statuses->data() : MPI_STATUSES_IGNORE));
      if (done != 0) return;
      if (tries == 0) deadline = Clock::now() + watchdog_;
      if (tries % 64 == 63) {
        sched_yield();
        if (tries > (1U << 16U)) usleep(50);
        if (Clock::now() > deadline) time_out(what, peer);
      }
    }
  }

  // Ranks that wait for the same one give up together. The first tells the others, and is the one that says why.
  [[noreturn]] void time_out(const char* what, int peer) const {
    using std::chrono::milliseconds;
    constexpr milliseconds kNextRank{50};
    constexpr milliseconds kLongest{5000};
    const bool is_known = size_ > 1 && has_other_given_up(std::min(kNextRank * rank_.value(), kLongest));
    if (size_ > 1 && !is_known) tell_others();
    throw SilenceError(
        fmt::format("waited {} s for {}{}: a rank or the network hangs; run.watchdog_seconds sets the limit",
                    watchdog_.count(), what, peer < 0 ? std::string() : fmt::format(" of rank {}", peer)),
        is_known);
  }

  [[nodiscard]] bool has_other_given_up(std::chrono::milliseconds within) const {
    using Clock = std::chrono::steady_clock;
    int flag = 0;
    const Clock::time_point deadline = Clock::now() + within;
    do {
      if (MPI_Iprobe(MPI_ANY_SOURCE, message_tag::kGivenUp, comm_, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return false;
      usleep(1000);
    } while (flag == 0 && Clock::now() < deadline);
    return flag != 0;
  }

  // Nobody waits for these messages to arrive: some of the ranks hang.
  void tell_others() const {
    static const char nothing = 0;
    for (int to = 0; to < size_; ++to) {
      MPI_Request request = MPI_REQUEST_NULL;
      if (to != rank_.value() &&
          MPI_Isend(&nothing, 1, MPI_BYTE, to, message_tag::kGivenUp, comm_, &request) == MPI_SUCCESS)
        (void)MPI_Request_free(&request);
    }
    (void)has_other_given_up(std::chrono::milliseconds(30));  // the library sends while it is asked
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  Rank rank_;
  int size_ = 1;
  int ranks_on_host_ = 1;
  int rank_on_host_ = 0;
  std::chrono::seconds watchdog_;
  std::uint64_t split_bytes_;
  std::vector<Slot> slots_;
  std::optional<std::chrono::steady_clock::time_point> give_up_at_;
  std::vector<int> counts_;         // counts of all_gather
  std::vector<int> displacements_;  // displacements of all_gather
};

void MpiCommunicator::all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                                 std::span<const std::uint64_t> counts_bytes) {
  counts_.resize(counts_bytes.size());
  displacements_.resize(counts_bytes.size());
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts_bytes) total += count;
  if (total <= split_bytes_) {
    bytes_sent_ += in.size() * static_cast<std::uint64_t>(size_ - 1);
    int at = 0;
    for (std::size_t r = 0; r < counts_.size(); ++r) {
      counts_[r] = checked_cast<int>(counts_bytes[r]);
      displacements_[r] = at;
      at += counts_[r];
    }
    MPI_Request request = MPI_REQUEST_NULL;
    TESSERA_MPI_TRY(MPI_Iallgatherv(in.data(), checked_cast<int>(in.size()), MPI_BYTE, out.data(), counts_.data(),
                                    displacements_.data(), MPI_BYTE, comm_, &request));
    finish(std::span(&request, 1), "a gather", -1);
    return;
  }
  // Too large for one call: one broadcast per rank, each split as needed.
  std::uint64_t at = 0;
  for (std::int32_t from = 0; from < size_; ++from) {
    const auto piece = out.subspan(at, counts_bytes[static_cast<std::size_t>(from)]);
    if (from == rank_.value()) std::copy(in.begin(), in.end(), piece.begin());
    broadcast(piece, Rank(from));
    at += piece.size();
  }
}

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm parent, std::chrono::seconds watchdog,
                                                    std::uint64_t split_bytes) {
  return std::make_unique<MpiCommunicator>(parent, watchdog, split_bytes);
}

}  // namespace tessera::comm::detail
