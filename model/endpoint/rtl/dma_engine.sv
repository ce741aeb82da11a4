// model/endpoint/rtl/dma_engine.sv - a DMA engine with the register map of the test endpoint (model/endpoint/test.h).
//
// What an FPGA would hold behind a PCIe block: registers, 4 KiB of RAM and a state machine that moves 64 bytes a beat
// between RAM and host memory. Configuration space, BAR decoding and the MSI-X table are the block's, which is C++ here
// (rtl_endpoint.cpp).
//
// Register port: `req` for one cycle with address, data and strobes; `rdata` is there in the same cycle.
// DMA port: `dma_req` stays until `dma_ack`. Timer port: `timer_req` stays until `timer_ack`; the clock may stop.
// Interrupt port: `irq_req` stays until `irq_ack`.

module dma_engine #(
    parameter int RAM_BYTES = 4096
) (
    input  logic         clk,
    // Resets are synchronous; each includes the ones after it.
    input  logic         rst_power,    // power-on: the RAM too
    input  logic         rst_sticky,   // and PERST: STICKY
    input  logic         rst_link,     // and hot reset, link down: FLR_KEPT
    input  logic         rst,          // and FLR, D3hot to D0: everything else

    input  logic         req,
    input  logic         ram_select,   // BAR2 instead of BAR0
    input  logic         write,
    input  logic [13:0]  addr,         // of a dword
    input  logic [31:0]  wdata,
    input  logic [3:0]   wstrb,
    output logic [31:0]  rdata,

    output logic         dma_req,
    output logic         dma_write,
    output logic [63:0]  dma_addr,
    output logic [6:0]   dma_bytes,    // 1 to 64
    output logic [511:0] dma_wdata,
    input  logic         dma_ack,
    input  logic [511:0] dma_rdata,
    input  logic [3:0]   dma_error,    // 0, or a code of DMA_ERROR
    input  logic [31:0]  dma_ns,       // time that the beat took on the link

    output logic         timer_req,
    output logic [31:0]  timer_ns,
    input  logic         timer_ack,

    output logic         irq_req,
    output logic [10:0]  irq_vector,
    input  logic         irq_ack,
    input  logic         irq_was_level, // with irq_ack: there are no messages, so INTX is to be asserted
    output logic         intx,

    output logic         active,       // the clock is needed, if no request is waiting for its answer
    output logic         pending,      // Transactions Pending
    input  logic         bus_master,
    input  logic [63:0]  now_ns
);
  localparam logic [31:0] DMA_BYTES_MAX = 32'd16777216;
  localparam logic [3:0] ERR_BUS_MASTER_OFF = 4'd6, ERR_OUT_OF_RANGE = 4'd7, ERR_BAD_COMMAND = 4'd8;
  localparam logic [31:0] HOST_TO_DEVICE = 1, DEVICE_TO_HOST = 2, FILL_HOST = 3, FILL_DEVICE = 4, REVERSE = 5;
  localparam int RAM_BITS = $clog2(RAM_BYTES);

  typedef enum logic [2:0] {IDLE, DELAY, CHECK, FETCH, STORE, LINK, FINISH} state_t;
  state_t state;

  logic [31:0] scratch, pattern, delay_ns, count, raise_count, doorbell_count, doorbell_value, events, sticky, flr_kept;
  logic [1:0]  control;
  logic        done, error, overrun, intx_level;
  logic [3:0]  dma_code;
  logic [63:0] source, destination;
  logic [31:0] length, command, moved, link_ns;
  logic [10:0] vector;
  logic [31:0] words [64];
  logic [7:0]  ram [RAM_BYTES];
  logic [511:0] beat;

  wire busy = state != IDLE;
  wire immediate = control[0];

  // Reads -------------------------------------------------------------------------------------------------------------
  wire [RAM_BITS-1:0] ram_at = {addr[RAM_BITS-1:2], 2'b00};
  always_comb begin
    rdata = 32'd0;
    if (ram_select) begin
      rdata = {ram[ram_at + 3], ram[ram_at + 2], ram[ram_at + 1], ram[ram_at]};
    end else if (addr >= 14'h100 && addr < 14'h200) begin
      rdata = words[addr[7:2]];
    end else begin
      case (addr)
        14'h000: rdata = 32'h4554_4244;
        14'h004: rdata = 32'd1;
        14'h008: rdata = scratch;
        14'h00c: rdata = {30'd0, control};
        14'h010: rdata = {28'd0, overrun, error, done, busy};
        14'h014: rdata = {28'd0, dma_code};
        14'h020: rdata = source[31:0];
        14'h024: rdata = source[63:32];
        14'h028: rdata = destination[31:0];
        14'h02c: rdata = destination[63:32];
        14'h030: rdata = length;
        14'h038: rdata = delay_ns;
        14'h03c: rdata = {21'd0, vector};
        14'h040: rdata = count;
        14'h044: rdata = pattern;
        14'h054: rdata = {31'd0, intx_level};
        14'h058: rdata = raise_count;
        14'h060: rdata = now_ns[31:0];
        14'h064: rdata = now_ns[63:32];
        14'h06c: rdata = doorbell_count;
        14'h070: rdata = doorbell_value;
        14'h080: rdata = events;
        14'h088: rdata = sticky;
        14'h08c: rdata = flr_kept;
        14'h090: rdata = 32'ha5a5_0001;
        default: rdata = 32'd0;
      endcase
    end
  end

  // The beat under way --------------------------------------------------------------------------------------------------
  wire [31:0] left = length - moved;
  wire [6:0]  beat_bytes = left >= 32'd64 ? 7'd64 : left[6:0];
  wire        from_host = command == HOST_TO_DEVICE || command == REVERSE;
  wire        to_device = command == HOST_TO_DEVICE || command == FILL_DEVICE;
  wire [63:0] device_at = command == DEVICE_TO_HOST ? source : destination;
  wire        uses_device = to_device || command == DEVICE_TO_HOST;
  wire        uses_host = command != FILL_DEVICE;
  wire        fits = device_at <= 64'(RAM_BYTES) && {32'd0, length} <= 64'(RAM_BYTES) - device_at;
  wire [RAM_BITS-1:0] device_byte = device_at[RAM_BITS-1:0] + moved[RAM_BITS-1:0];

  always_comb begin
    dma_wdata = beat;
    case (command)
      DEVICE_TO_HOST: for (int i = 0; i < 64; i++) dma_wdata[i*8+:8] = ram[RAM_BITS'(32'(device_byte) + i)];
      FILL_HOST, FILL_DEVICE: for (int i = 0; i < 16; i++) dma_wdata[i*32+:32] = pattern;
      // The last byte comes first; a beat's bytes lie at its lower end.
      REVERSE: for (int i = 0; i < 64; i++) dma_wdata[i*8+:8] = beat[6'(32'(beat_bytes) - 1 - i)*8+:8];
      default: dma_wdata = beat;
    endcase
  end

  assign dma_write = state == STORE;
  assign dma_req   = (state == FETCH) || (state == STORE && !to_device);
  assign dma_bytes = beat_bytes;
  assign dma_addr  = state == FETCH ? source + {32'd0, moved}
                   : command == REVERSE ? destination + {32'd0, left} - {57'd0, beat_bytes}
                   : destination + {32'd0, moved};
  assign timer_req = state == DELAY || state == LINK;
  assign timer_ns  = state == DELAY ? delay_ns : link_ns;
  assign active    = busy;
  assign pending   = busy && !immediate;
  assign intx      = intx_level;

  // Writes and the engine -------------------------------------------------------------------------------------------------
  function automatic logic [31:0] merge(input logic [31:0] old);
    for (int i = 0; i < 4; i++) merge[i*8+:8] = wstrb[i] ? wdata[i*8+:8] : old[i*8+:8];
  endfunction
  wire [31:0] written = merge(32'd0);   // bytes that are not written are 0: for write-one-to-clear and commands

  task automatic raise_interrupt(input logic [10:0] which);
    raise_count <= raise_count + 1;
    irq_req     <= 1'b1;
    irq_vector  <= which;
  endtask
  // `beat_ns`: of the beat that ends here, on its way into link_ns.
  task automatic finish(input logic [3:0] code, input logic [31:0] beat_ns);
    dma_code <= code;
    state    <= (immediate || (link_ns == 0 && beat_ns == 0)) ? FINISH : LINK;
  endtask

  always_ff @(posedge clk) begin
    if (irq_ack) begin
      irq_req <= 1'b0;
      if (irq_was_level) intx_level <= 1'b1;
    end

    if (req && write && !ram_select) begin
      case (addr)
        14'h008: scratch <= merge(scratch);
        14'h00c: control <= 2'(merge({30'd0, control}));
        14'h010: begin
          if (written[1]) done    <= 1'b0;
          if (written[2]) error   <= 1'b0;
          if (written[3]) overrun <= 1'b0;
        end
        14'h020: source[31:0]       <= merge(source[31:0]);
        14'h024: source[63:32]      <= merge(source[63:32]);
        14'h028: destination[31:0]  <= merge(destination[31:0]);
        14'h02c: destination[63:32] <= merge(destination[63:32]);
        14'h030: length   <= merge(length);
        14'h034: begin
          if (busy) begin
            overrun <= 1'b1;
          end else begin
            command <= written;
            done    <= 1'b0;
            error   <= 1'b0;
            moved   <= 32'd0;
            link_ns <= 32'd0;
            state   <= immediate ? CHECK : DELAY;
          end
        end
        14'h038: delay_ns <= merge(delay_ns);
        14'h03c: vector   <= 11'(merge({21'd0, vector}));
        14'h044: pattern  <= merge(pattern);
        14'h050: raise_interrupt(written[10:0]);
        14'h054: intx_level <= 1'(merge({31'd0, intx_level}));
        14'h068: begin
          doorbell_count <= doorbell_count + 1;
          doorbell_value <= written;
        end
        14'h080: events   <= events & ~written;
        14'h084: events   <= events | written;
        14'h088: sticky   <= merge(sticky);
        14'h08c: flr_kept <= merge(flr_kept);
        default: ;
      endcase
    end

    case (state)
      IDLE: ;
      DELAY: if (timer_ack) state <= CHECK;
      CHECK:
        if (command == 0 || command > REVERSE) finish(ERR_BAD_COMMAND, 32'd0);
        else if (length > DMA_BYTES_MAX || (uses_device && !fits)) finish(ERR_OUT_OF_RANGE, 32'd0);
        else if (uses_host && !bus_master) finish(ERR_BUS_MASTER_OFF, 32'd0);
        else if (length == 0) finish(4'd0, 32'd0);
        else state <= from_host ? FETCH : STORE;
      FETCH: if (dma_ack) begin
        link_ns <= link_ns + dma_ns;
        beat    <= dma_rdata;
        if (dma_error != 0) finish(dma_error, dma_ns);
        else state <= STORE;
      end
      STORE: if (to_device || dma_ack) begin
        if (!to_device) link_ns <= link_ns + dma_ns;
        moved <= moved + {25'd0, beat_bytes};
        if (!to_device && dma_error != 0) finish(dma_error, dma_ns);
        else if (left == {25'd0, beat_bytes}) finish(4'd0, to_device ? 32'd0 : dma_ns);
        else state <= from_host ? FETCH : STORE;
      end
      LINK: if (timer_ack) state <= FINISH;
      default: begin
        done  <= 1'b1;
        error <= dma_code != 0;
        count <= count + 1;
        state <= IDLE;
        if (control[1]) raise_interrupt(vector);
      end
    endcase

    if (rst) begin
      state <= IDLE;
      {scratch, pattern, delay_ns, count, raise_count, doorbell_count, doorbell_value, events} <= '0;
      {control, done, error, overrun, intx_level, dma_code, source, destination} <= '0;
      {length, command, moved, link_ns, vector, beat, irq_req, irq_vector} <= '0;
    end
    if (rst_link) flr_kept <= '0;
    if (rst_sticky) sticky <= '0;
  end

  // The memories have one writer and are read by nothing that is clocked, so blocking assignments are safe; Verilator
  // takes no others for an array in a loop.
  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk) begin
    if (req && write && ram_select) begin
      for (int i = 0; i < 4; i++) if (wstrb[i]) ram[RAM_BITS'(32'(ram_at) + i)] = wdata[i*8+:8];
    end
    if (state == STORE && to_device && !rst) begin
      for (int i = 0; i < 64; i++) if (7'(i) < beat_bytes) ram[RAM_BITS'(32'(device_byte) + i)] = dma_wdata[i*8+:8];
    end
    if (req && write && !ram_select && addr >= 14'h100 && addr < 14'h200) words[addr[7:2]] = merge(words[addr[7:2]]);
    if (rst) for (int i = 0; i < 64; i++) words[i] = '0;
    if (rst_power) for (int i = 0; i < RAM_BYTES; i++) ram[i] = '0;
  end
  /* verilator lint_on BLKSEQ */
endmodule
