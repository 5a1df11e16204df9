// Cornerstone3D as its own benchmark sets it up: one stack viewport, one HTJ2K picture, its progressive loader.
import { Enums, RenderingEngine, cache, init, metaData, utilities } from '@cornerstonejs/core';
import * as loader from '@cornerstonejs/dicom-image-loader';

const { ImageQualityStatus, ViewportType, Events } = Enums;
const SIDE = 3036;

const CONFIGURATIONS = {
  // "HTJ2K Streaming (1 stage)" of the documentation.
  streaming: { retrieveOptions: { single: { streaming: true, decodeLevel: 1 } }, stages: [{ id: 'initialImages', retrieveType: 'single' }] },
  // "HTJ2K Byte Range (2 stages)", with 64 kB as the first range.
  ranges: {
    stages: [
      { id: 'lossySequential', retrieveType: 'singleFast' },
      { id: 'finalSequential', retrieveType: 'singleFinal' },
    ],
    retrieveOptions: {
      singleFast: { rangeIndex: 0, chunkSize: 64 * 1024, decodeLevel: 3 },
      singleFinal: { rangeIndex: -1 },
    },
  },
};

const METADATA = {
  '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.1.1'] },
  '00080018': { vr: 'UI', Value: ['1.2.3.1'] },
  '00080060': { vr: 'CS', Value: ['DX'] },
  '0020000D': { vr: 'UI', Value: ['1.2.3'] },
  '0020000E': { vr: 'UI', Value: ['1.2.3.0'] },
  '00200013': { vr: 'IS', Value: [1] },
  '00280002': { vr: 'US', Value: [1] },
  '00280004': { vr: 'CS', Value: ['MONOCHROME2'] },
  '00280010': { vr: 'US', Value: [SIDE] },
  '00280011': { vr: 'US', Value: [SIDE] },
  '00280030': { vr: 'DS', Value: [0.1, 0.1] },
  '00280100': { vr: 'US', Value: [16] },
  '00280101': { vr: 'US', Value: [16] },
  '00280102': { vr: 'US', Value: [15] },
  '00280103': { vr: 'US', Value: [0] },
  '00281050': { vr: 'DS', Value: [32500] },
  '00281051': { vr: 'DS', Value: [62000] },
  '00281052': { vr: 'DS', Value: [0] },
  '00281053': { vr: 'DS', Value: [1] },
  '00083002': { vr: 'UI', Value: ['1.2.840.10008.1.2.4.202'] },
};

let viewport;

/** Loads the libraries and the decoder, so that a run measures the picture alone. */
window.prepare = async () => {
  await init();
  await loader.init({ maxWebWorkers: 1 });
  const element = document.querySelector('#picture');
  const engine = new RenderingEngine('bench');
  engine.enableElement({ viewportId: 'picture', type: ViewportType.STACK, element });
  viewport = engine.getViewport('picture');
  // A small picture first, over the same decoder.
  await show('warm', 'streaming');
};

window.show = show;

/** Milliseconds from asking for the picture to its first and to its lossless appearance. */
async function show(name, configuration) {
  cache.purgeCache();
  utilities.imageRetrieveMetadataProvider.clear();
  const imageId = `wadors:${location.origin}/dicomweb/studies/${name}/series/1/instances/1/frames/1`;
  const side = name === 'warm' ? 256 : SIDE;
  loader.wadors.metaDataManager.add(imageId, {
    ...METADATA,
    '00280010': { vr: 'US', Value: [side] },
    '00280011': { vr: 'US', Value: [side] },
  });
  const options = CONFIGURATIONS[configuration];
  utilities.imageRetrieveMetadataProvider.add('stack', options);
  const element = document.querySelector('#picture');
  const seen = [];
  const began = performance.now();
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`no lossless picture: ${JSON.stringify(seen)}`)), 120_000);
    let status;
    const onImage = (event) => {
      status = event.detail.image.imageQualityStatus;
    };
    // It is called in the display frame in which the picture is drawn; the next one comes when that is on the screen.
    const onRendered = () => {
      if (status === undefined) return;
      const full = status === ImageQualityStatus.FULL_RESOLUTION;
      if (full) {
        element.removeEventListener(Events.STACK_NEW_IMAGE, onImage);
        element.removeEventListener(Events.IMAGE_RENDERED, onRendered);
      }
      requestAnimationFrame(() => {
        seen.push({ status, at: performance.now() - began });
        if (!full) return;
        clearTimeout(timer);
        done({ first: seen[0].at, lossless: seen.at(-1).at, pictures: seen.length });
      });
    };
    element.addEventListener(Events.STACK_NEW_IMAGE, onImage);
    element.addEventListener(Events.IMAGE_RENDERED, onRendered);
    viewport.setStack([imageId], 0).then(() => viewport.render(), failed);
  });
}
