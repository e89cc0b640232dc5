// Unpacks the charting library that the page carries, and draws the charts one after the other.
// `currentColor` in them is the page's own: they follow light, dark and print without being drawn again.
"use strict";
(async () => {
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent.trim()), (c) => c.charCodeAt(0));
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.type = "module";
  library.textContent = await new Response(plain).text();
  const ready = new Promise((resolve) => { globalThis.chartLibraryIsReady = resolve; });
  library.textContent += "\nglobalThis.chartLibraryIsReady();";
  document.head.append(library);
  await ready;
  const ink = "currentColor", font = "system-ui, sans-serif";
  const config = {
    background: null, font, view: { stroke: null },
    axis: { labelColor: ink, titleColor: ink, tickColor: ink, domainColor: ink, gridColor: ink, gridOpacity: 0.15,
            labelOpacity: 0.8, titleOpacity: 0.8, domainOpacity: 0.4, tickOpacity: 0.4, titleFontWeight: "normal" },
    legend: { labelColor: ink, titleColor: ink },
    range: { category: ["#1c7ed6", "#e8590c", "#2f9e44", "#9c36b5", "#e0a800", "#0c8599", "#d6336c", "#868e96"] },
  };
  const specs = JSON.parse(document.getElementById("charts").textContent);
  for (const element of document.querySelectorAll(".chart")) {
    await vegaEmbed(element, specs[element.dataset.chart], { mode: "vega-lite", renderer: "svg", actions: false, config });
    for (const svg of element.querySelectorAll("svg")) svg.setAttribute("aria-hidden", "true");
    await new Promise((resolve) => setTimeout(resolve));
  }
  document.documentElement.dataset.drawn = "true";
})();
