// SPDX-License-Identifier: Apache-2.0
//
// The device as the board simulates it: what the board drives reaches the device's inputs at a rising edge of apply_i. So
// what follows from inputs is computed when there are new ones, and not in each evaluation of the model.
//
// Ports as forager_device's. Tested by: tests/rtl/causes_test.cc, tests/unit/rtl_device_test.cc.
module forager_board #(
  parameter int unsigned Threads = 8,
  parameter int unsigned Slots = 16,
  parameter int unsigned Bundles = 4096,
  parameter int unsigned MapRows = 32768
) (
  input  logic         clk_i,
  input  logic         apply_i,
  input  logic         rst_i,

  input  logic         s_axil_awvalid, s_axil_wvalid, s_axil_bready, s_axil_arvalid, s_axil_rready,
  output logic         s_axil_awready, s_axil_wready, s_axil_bvalid, s_axil_arready, s_axil_rvalid,
  input  logic [11:0]  s_axil_awaddr, s_axil_araddr,
  input  logic [31:0]  s_axil_wdata,
  output logic [1:0]   s_axil_bresp, s_axil_rresp,
  output logic [31:0]  s_axil_rdata,
  output logic         interrupt_o,

  input  logic         s_axi_awvalid, s_axi_wvalid, s_axi_wlast, s_axi_bready, s_axi_arvalid, s_axi_rready,
  output logic         s_axi_awready, s_axi_wready, s_axi_bvalid, s_axi_arready, s_axi_rvalid, s_axi_rlast,
  input  logic [31:0]  s_axi_awaddr, s_axi_araddr,
  input  logic [511:0] s_axi_wdata,
  input  logic [63:0]  s_axi_wstrb,
  input  logic [7:0]   s_axi_arlen,
  output logic [511:0] s_axi_rdata,

  input  logic         s_axis_tvalid, s_axis_tlast,
  output logic         s_axis_tready,
  input  logic [511:0] s_axis_tdata,
  input  logic [63:0]  s_axis_tkeep,
  input  logic [79:0]  s_axis_tuser,

  output logic         m_axis_tvalid, m_axis_tlast,
  input  logic         m_axis_tready,
  output logic [511:0] m_axis_tdata,
  output logic [63:0]  m_axis_tkeep,
  output logic [255:0] m_axis_tuser,

  output logic         trace_start_o,
  output logic [7:0]   trace_start_thread_o,
  output logic         trace_valid_o,
  output logic [7:0]   trace_thread_o,
  output logic [15:0]  trace_pc_o,
  output logic [1:0]   trace_write_o,
  output logic [7:0]   trace_register_o,
  output logic [127:0] trace_value_o
);

  logic         rst_q;
  logic         awvalid_q, wvalid_q, bready_q, arvalid_q, rready_q;
  logic [11:0]  awaddr_q, araddr_q;
  logic [31:0]  wdata_q;
  logic         row_awvalid_q, row_wvalid_q, row_wlast_q, row_bready_q, row_arvalid_q, row_rready_q;
  logic [31:0]  row_awaddr_q, row_araddr_q;
  logic [511:0] row_wdata_q, tdata_q;
  logic [63:0]  row_wstrb_q, tkeep_q;
  logic [7:0]   row_arlen_q;
  logic         tvalid_q, tlast_q, tready_q;
  logic [79:0]  tuser_q;

  always_ff @(posedge apply_i) begin
    rst_q         <= rst_i;
    awvalid_q     <= s_axil_awvalid;
    wvalid_q      <= s_axil_wvalid;
    bready_q      <= s_axil_bready;
    arvalid_q     <= s_axil_arvalid;
    rready_q      <= s_axil_rready;
    awaddr_q      <= s_axil_awaddr;
    araddr_q      <= s_axil_araddr;
    wdata_q       <= s_axil_wdata;
    row_awvalid_q <= s_axi_awvalid;
    row_wvalid_q  <= s_axi_wvalid;
    row_wlast_q   <= s_axi_wlast;
    row_bready_q  <= s_axi_bready;
    row_arvalid_q <= s_axi_arvalid;
    row_rready_q  <= s_axi_rready;
    row_awaddr_q  <= s_axi_awaddr;
    row_araddr_q  <= s_axi_araddr;
    row_wdata_q   <= s_axi_wdata;
    row_wstrb_q   <= s_axi_wstrb;
    row_arlen_q   <= s_axi_arlen;
    tvalid_q      <= s_axis_tvalid;
    tlast_q       <= s_axis_tlast;
    tdata_q       <= s_axis_tdata;
    tkeep_q       <= s_axis_tkeep;
    tuser_q       <= s_axis_tuser;
    tready_q      <= m_axis_tready;
  end

  forager_device #(.Threads(Threads), .Slots(Slots), .Bundles(Bundles), .MapRows(MapRows)) u_device (
    .clk_i, .rst_i(rst_q),
    .s_axil_awvalid(awvalid_q), .s_axil_wvalid(wvalid_q), .s_axil_bready(bready_q), .s_axil_arvalid(arvalid_q),
    .s_axil_rready(rready_q), .s_axil_awready, .s_axil_wready, .s_axil_bvalid, .s_axil_arready, .s_axil_rvalid,
    .s_axil_awaddr(awaddr_q), .s_axil_araddr(araddr_q), .s_axil_wdata(wdata_q), .s_axil_bresp, .s_axil_rresp,
    .s_axil_rdata, .interrupt_o,
    .s_axi_awvalid(row_awvalid_q), .s_axi_wvalid(row_wvalid_q), .s_axi_wlast(row_wlast_q),
    .s_axi_bready(row_bready_q), .s_axi_arvalid(row_arvalid_q), .s_axi_rready(row_rready_q),
    .s_axi_awready, .s_axi_wready, .s_axi_bvalid, .s_axi_arready, .s_axi_rvalid, .s_axi_rlast,
    .s_axi_awaddr(row_awaddr_q), .s_axi_araddr(row_araddr_q), .s_axi_wdata(row_wdata_q), .s_axi_wstrb(row_wstrb_q),
    .s_axi_arlen(row_arlen_q), .s_axi_rdata,
    .s_axis_tvalid(tvalid_q), .s_axis_tlast(tlast_q), .s_axis_tready, .s_axis_tdata(tdata_q), .s_axis_tkeep(tkeep_q),
    .s_axis_tuser(tuser_q),
    .m_axis_tvalid, .m_axis_tlast, .m_axis_tready(tready_q), .m_axis_tdata, .m_axis_tkeep, .m_axis_tuser,
    .trace_start_o, .trace_start_thread_o, .trace_valid_o, .trace_thread_o, .trace_pc_o, .trace_write_o,
    .trace_register_o, .trace_value_o
  );

endmodule
